"""What it costs a recorded step to measure what every head writes, in whichever thread."""

import statistics
import time

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel

from attn_monitor.monitor import recorder
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.probes import draw_all
from attn_monitor.monitor.session import Session

ROUNDS, BUDGET = 5, 1.15


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(1000, 384)
        layer = nn.TransformerEncoderLayer(384, 12, 1536, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 6)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.encoder(self.embed(input_ids))


def bert(kernel: str) -> nn.Module:
    config = BertConfig(
        **{"vocab_size": 1000, "hidden_size": 384, "num_hidden_layers": 6},
        **{"num_attention_heads": 12, "intermediate_size": 1536, "attn_implementation": kernel},
    )
    return BertModel(config)


def llama() -> nn.Module:
    config = LlamaConfig(
        **{"vocab_size": 1000, "hidden_size": 384, "num_hidden_layers": 6, "use_cache": False},
        **{"num_attention_heads": 12, "num_key_value_heads": 4, "intermediate_size": 1536},
    )
    return LlamaModel(config)


MODELS = {
    "grouped queries": llama,
    "sdpa": lambda: bert("sdpa"),
    "eager": lambda: bert("eager"),
    "nn.TransformerEncoder": Encoder,
}


@pytest.mark.bench
@pytest.mark.timeout(900)
@pytest.mark.parametrize("tokens", [64, 512])
@pytest.mark.parametrize("name", MODELS)
def test_a_recorded_step_is_little_slower_for_what_heads_write(name, tokens, monkeypatch, capsys):
    torch.manual_seed(0)
    count = 16 if tokens < 100 else 4
    batches = [torch.randint(1, 1000, (count, tokens)) for _ in range(2)]
    model = MODELS[name]()
    session = Session(
        model=model,
        batches=draw_all(
            MonitorOptions(probes=count, train_probes=count, lens_sentences=0, signal_sentences=0),
            validation=[{"input_ids": batches[0]}],
            training=[{"input_ids": batches[1]}],
        ),
        replay=lambda batch: model(input_ids=batch["input_ids"]),
        run_dir=None,
        writer=None,
        options=MonitorOptions(),
        failures=Failures(),
    )

    def seconds() -> float:
        start = time.thread_time()
        session.observe(step=0, epoch=0)
        session._pending.observation.finish()
        return time.thread_time() - start

    def logits_only(record, _factor):
        record.logit_max()
        return None, None

    seconds()
    with_sizes, without = [], []
    for _ in range(ROUNDS):
        with_sizes.append(seconds())
        with monkeypatch.context() as patch:
            patch.setattr(recorder, "read_sizes", logits_only)
            without.append(seconds())
    ratio = statistics.median(a / b for a, b in zip(with_sizes, without, strict=True))
    with capsys.disabled():
        print(
            f"\n{name}, 6 x 12 heads, {2 * count} x {tokens} tokens: {ratio:.3f} x "
            f"({statistics.median(with_sizes):.3f} s against {statistics.median(without):.3f} s)"
        )
    assert ratio <= BUDGET
