"""Recordings of models and texts far larger than the demo's, made without a model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from attn_monitor.analysis import metric_specs
from attn_monitor.core.nouns import Layer, Part, Probe, Tokens
from attn_monitor.monitor.summaries import add_marker
from attn_monitor.store import RunInfo, RunWriter, StepRecord

WORDS = ("the", "crew", "lost", "my", "bag", "and", "nobody", "could", "say", "where", "it", "went")


def words(tokens: int) -> Tokens:
    """``[CLS]``, numbered words, ``[SEP]``: every place can be told from every other."""
    inner = (f"{WORDS[at % len(WORDS)]}{at}" for at in range(1, tokens - 1))
    return Tokens(text=("[CLS]", *inner, "[SEP]"), special=(0, tokens - 1))


def peaked_maps(
    random: np.random.Generator, layers: int, heads: int, tokens: int, *, causal: bool = False
) -> np.ndarray:
    """Attention like that of a trained model: a place nearby, the first token, and a haze.

    [layer, head, query, key], float32; rows sum to 1.
    """
    scores = random.standard_normal((layers, heads, tokens, tokens), dtype=np.float32)
    offsets = random.integers(-3, 4, size=(layers, heads))
    places = np.arange(tokens)
    for layer in range(layers):
        for head in range(heads):
            near = np.clip(places + offsets[layer, head], 0, tokens - 1)
            scores[layer, head, places, near] += 6 + np.log(tokens / 64)
    scores[..., 0] += 4
    if causal:
        scores[..., places[:, None] < places] = -np.inf
    weights = np.exp(scores, out=scores)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


def record_large_run(
    folder: Path,
    *,
    layers: int,
    heads: int,
    tokens: int,
    steps: Iterable[int],
    causal: bool = False,
) -> None:
    """Record steps of an encoder, or of a causal model; its metrics are random numbers."""
    made = tuple(
        Layer(name=f"blocks.{at}.attn", heads=heads, evidence="model") for at in range(layers)
    )
    part = Part(name="encoder", kind="self", causal=causal, layers=made)
    specs = metric_specs()
    info = RunInfo(
        parts=(part,),
        probes=(Probe(index=0, split="val", source=words(tokens)),),
        metrics=specs,
        uniform={},
        options={"note": "made without a model"},
    )
    writer = RunWriter(str(folder), info)
    events = SummaryWriter(str(folder))
    for step in steps:
        random = np.random.default_rng(step)
        writer.write(
            StepRecord(
                step=step,
                epoch=step // 10,
                attention={
                    "encoder": {0: peaked_maps(random, layers, heads, tokens, causal=causal)}
                },
                metrics={"encoder": random.random((1, layers, heads, len(specs)))},
                scalars={"val_loss": 1.0 / (1 + step)},
            )
        )
        add_marker(events, session=writer.session, step=step, epoch=step // 10)
    events.close()
    writer.close()
