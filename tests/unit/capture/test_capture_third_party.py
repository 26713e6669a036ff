"""Models of other packages, which `make test` puts beside the environment, not into it."""

import sys
from pathlib import Path

import pytest
import torch
from capture_oracles import captured
from third_party_models import THIRD_PARTY

from attn_monitor.capture import describe_missing

pytestmark = pytest.mark.filterwarnings("ignore")  # other packages' own warnings
FOLDER = Path(sys.prefix) / "third_party"  # tests/third_party.txt, without dependencies


@pytest.fixture(scope="module", autouse=True)
def packages():
    """Importable in this file alone: half of what we test with looks whether torchvision is there.

    Its wheel is made for the CUDA build of torch, so with the CPU build its operators are missing,
    and its own import fails for want of them; the models need none.
    """
    if not FOLDER.is_dir():
        pytest.skip("`make test` installs these packages")
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    sys.path.append(str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))
    theirs = [n for n, m in sys.modules.items() if str(FOLDER) in str(getattr(m, "__file__", ""))]
    for name in theirs:
        del sys.modules[name]


@pytest.mark.parametrize("entry", THIRD_PARTY, ids=lambda e: f"{e.package}: {e.name}")
def test_a_third_party_model_is_captured_as_documented(entry):
    torch.manual_seed(0)
    model, inputs = entry.build()
    attention = captured(model, *inputs)
    assert {p.name: len(p.layers) for p in attention.arrangement} == entry.parts
    assert max((record.windows for record in attention.records), default=1) == entry.windows
    for record in attention.records:
        assert record.evidence in {"model", "verified"}
        assert record.error <= 1e-5
    if not entry.parts:
        assert "no softmax over keys" in describe_missing(model)
    if entry.own is not None:
        with torch.no_grad():
            weights = entry.own(model, inputs)
        assert len(weights) == len(attention.records)
        for record, truth in zip(attention.records, weights, strict=True):
            assert (record.weights() - truth).abs().max() <= 2e-7
