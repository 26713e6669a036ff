"""Types of transformers of all kinds, built small by the rules of `make zoo`, against its oracle.

The whole zoo is in ``docs/zoo.md``; this is what every commit is held to.
"""

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[3] / "scripts" / "zoo"))

import fit
import judge
import page

pytestmark = [pytest.mark.filterwarnings("ignore")]

WORDS = """albert apertus arcee bert bloom deberta-v2 deepseek_v3
electra ernie falcon fnet gemma2 gemma3_text gpt2 gpt_neo gpt_oss gptj jetmoe
llama longformer mamba minimax mixtral modernbert mpnet nystromformer opt phi3
qwen3_moe reformer roformer squeezebert xglm diffllama"""
PAIRS = "bart led longt5 pegasus_x prophetnet t5"
IMAGES = """beit clip_vision_model convnext deit dinov2 ijepa pvt segformer
swin swinv2 vit"""
PACKED = "qwen2_vl qwen2_5_vl qwen3_vl"
SOUND = "hubert moonshine wav2vec2 wavlm whisper"
OTHERS = "decision_transformer funnel lilt time_series_transformer"
PAGE = Path(__file__).parents[3] / "docs" / "zoo.md"
TYPES = f"{WORDS} {PAIRS} {IMAGES} {PACKED} {SOUND} {OTHERS}".split()


@pytest.fixture(scope="module")
def on_the_page():
    """Return what the page says of each type run as it is."""
    table = PAGE.read_text(encoding="utf-8").partition("\n## Types\n")[2].partition("\n## ")[0]
    head, _, *rows = ([cell.strip() for cell in line.split("|")] for line in table.split("\n")[1:])
    return {row[1]: row[head.index("eager")] for row in rows if len(row) > 1}


@pytest.mark.parametrize("kind", TYPES)
def test_the_capture_says_what_the_oracle_saw(kind, on_the_page):
    fitted = fit.fitted(kind, "eager")

    def run():
        torch.manual_seed(2)
        with torch.no_grad():
            return fitted.model(**fitted.feed)

    finding = judge.judged(fitted.model, run)
    assert finding.faults == []
    assert page.shown(finding.row()) == on_the_page[kind]
