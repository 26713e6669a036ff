"""What capture costs: alternating runs in one process, medians, as ratios; peak memory apart."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from attn_monitor.analysis import compute_metrics
from attn_monitor.capture import capture
from attn_monitor.core.maps import MapsByRows

LAYERS, HEADS, WIDTH, SENTENCES = 6, 12, 384, 4
LENGTHS = (32, 256, 512)
ROUNDS = {32: 21, 256: 9, 512: 5}
VECTORS_BUDGET, METRICS_BUDGET = 1.2, 2.0
MEMORY_BUDGET_MB = 250


def bert(implementation, *, positions=512):
    """A 6-layer, 12-head BERT of width 384 with random weights, on one thread."""
    transformers = pytest.importorskip("transformers")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=1000,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        max_position_embeddings=positions,
    )
    model = transformers.BertModel._from_config(config, attn_implementation=implementation)
    return model.eval()


class SeesAndDoesNothing(TorchDispatchMode):
    """The least that watching every operator can cost."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def torch_metrics(attn):
    """The same per-head metrics written in torch, ``[sentence, head, query, key]`` in."""
    tokens = attn.shape[-1]
    position = torch.arange(tokens)
    offset = position[None] - position[:, None]
    nats = -(attn * attn.clamp_min(1e-38).log()).sum(-1)
    received = attn.mean(-2)
    received = received / received.sum(-1, keepdim=True)
    blend = attn.mean(1)
    blend_nats = -(blend * blend.clamp_min(1e-38).log()).sum(-1)
    left = (attn * (offset < 0)).sum(-1).mean(-1)
    right = (attn * (offset > 0)).sum(-1).mean(-1)
    return [
        nats.mean(-1),
        -(received * received.clamp_min(1e-38).log()).sum(-1),
        left,
        attn.diagonal(dim1=-2, dim2=-1).mean(-1),
        right,
        right - left,
        (attn * offset).sum(-1).mean(-1),
        (attn * offset.abs()).sum(-1).mean(-1),
        attn.diagonal(-1, -2, -1).mean(-1),
        attn.diagonal(1, -2, -1).mean(-1),
        attn[..., 0].mean(-1),
        attn[..., -1].mean(-1),
        attn.amax(-1).mean(-1),
        (1 / attn.square().sum(-1)).mean(-1),
        (blend_nats - nats.mean(1)).mean(-1),
    ]


def least_possible(model, words):
    """The least that metrics of a fused pass can cost: q and k handed over for nothing, then torch.

    No operator is watched; but the fused kernel returns no weights, so they are computed once more.
    """
    fused = functional.scaled_dot_product_attention
    seen = []

    def handing_over(query, key, *rest, **options):
        seen.append((query, key))
        return fused(query, key, *rest, **options)

    with mock.patch.object(functional, "scaled_dot_product_attention", handing_over):
        model(words)
    query, key = (torch.cat(each) for each in zip(*seen, strict=True))
    assert len(seen) == LAYERS
    torch_metrics(torch.softmax(query @ key.mT * query.shape[-1] ** -0.5, dim=-1))


def numpy_metrics(record):
    """What the monitor does with every record: all metrics of every sentence."""
    logits = record.logit_max()
    for sentence in range(record.shape[0]):
        one = slice(sentence, sentence + 1)
        maps = MapsByRows(
            shape=record.shape[1:],
            rows=lambda first, end, one=one: (
                record.weights(one, rows=slice(first, end))[0].cpu().numpy()
            ),
            logit_max=None if logits is None else logits[sentence].cpu().numpy(),
        )
        compute_metrics(maps)


@pytest.mark.bench
@pytest.mark.timeout(900)
@pytest.mark.parametrize("tokens", LENGTHS)
def test_capture_stays_near_the_plain_forward_pass(tokens, capsys):
    fused, eager = bert("sdpa"), bert("eager")
    words = torch.randint(0, 1000, (SENTENCES, tokens))

    def watched(sink):
        with capture(fused, sink=sink, verify=False):
            fused(words)

    def with_returned_weights():
        for attn in eager(words, output_attentions=True).attentions:
            torch_metrics(attn)

    def through_an_empty_mode():
        with SeesAndDoesNothing():
            fused(words)

    ways = {
        "plain": lambda: fused(words),
        "an empty dispatch mode": through_an_empty_mode,
        "least possible": lambda: least_possible(fused, words),
        "q, k, v": lambda: watched(lambda record: (record.query, record.key, record.value)),
        "all weights": lambda: watched(lambda record: record.weights()),
        "all metrics": lambda: watched(numpy_metrics),
        "output_attentions + metrics in torch": with_returned_weights,
    }
    seconds = {name: [] for name in ways}
    with torch.no_grad():
        for _ in range(ROUNDS[tokens] + 1):
            for name, way in ways.items():
                start = time.thread_time()  # one thread: others on the machine do not count
                way()
                seconds[name].append(time.thread_time() - start)
    plain = seconds["plain"][1:]
    # Rounds are compared with their own plain pass: the machine's load changes between rounds.
    ratio = {
        name: statistics.median(t / p for t, p in zip(times[1:], plain, strict=True))
        for name, times in seconds.items()
    }
    with capsys.disabled():
        shown = ", ".join(f"{name} {value:.2f}" for name, value in ratio.items())
        base = statistics.median(plain) * 1e3
        print(f"\nT = {tokens}: plain forward {base:.0f} ms; times it: {shown}")
    assert ratio["all metrics"] <= METRICS_BUDGET
    # At 32 tokens a mode that does nothing costs what returned weights and metrics in torch do, and
    # the least that is possible more: weights that a fused kernel does not return must be made.
    if tokens >= LENGTHS[1]:
        assert ratio["q, k, v"] <= VECTORS_BUDGET
        assert ratio["all metrics"] < ratio["output_attentions + metrics in torch"]


@pytest.mark.bench
@pytest.mark.timeout(1800)
def test_metrics_and_thumbnails_of_a_long_sentence_fit_in_little_memory(capsys):
    script = Path(__file__).parent / "long_sentence.py"
    peak = {}
    for what in ("plain", "watched"):
        command = [sys.executable, str(script), what]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peak[what] = float(done.stdout)
    above = peak["watched"] - peak["plain"]
    with capsys.disabled():
        print(
            f"\n24 layers x 16 heads, T = 2048: peak {peak['plain']:.0f} MB plain, "
            f"{above:.0f} MB more with all metrics and thumbnails"
        )
    assert above <= MEMORY_BUDGET_MB
