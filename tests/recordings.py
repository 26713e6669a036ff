"""Small recordings of every kind of model, for the tests of the store, the server and the tab."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from attn_monitor.core.kept import Kept
from attn_monitor.core.nouns import Layer, MetricSpec, Part, Probe, Tokens, metric_rows
from attn_monitor.store import RunInfo, StepRecord, Vectors

METRICS = tuple(
    MetricSpec(name=name, title=name.title(), unit="share", low=0.0, high=None, reading="...")
    for name in ("row_entropy", "prev", "support")
)


def layers(count, heads):
    return tuple(Layer(name=f"layers.{at}", heads=heads, evidence="model") for at in range(count))


def encoder(count=2, heads=3):
    return Part(name="encoder", kind="self", causal=False, layers=layers(count, heads))


def tokens(count, word="w"):
    return Tokens(text=tuple(f"{word}{at}" for at in range(count)), special=(0,))


def probe(index, length, *, split="val", target=None):
    target_tokens = None if target is None else tokens(target, "t")
    return Probe(index=index, split=split, source=tokens(length), target=target_tokens)


def encoder_info(*, lengths=(4, 7), heads=3, count=2, first_index=0):
    """Half of the probes from validation, half from training."""
    half = (len(lengths) + 1) // 2
    probes = tuple(
        probe(first_index + at, length, split="val" if at < half else "train")
        for at, length in enumerate(lengths)
    )
    part = encoder(count, heads)
    uniform = {"encoder": np.full((count, len(METRICS)), 0.5, np.float32)}
    return RunInfo(
        parts=(part,), probes=probes, metrics=METRICS, uniform=uniform, options={"probes": 2}
    )


def translation_info():
    """An encoder, a causal decoder and cross-attention of unequal lengths and head counts."""
    decoder = Part(
        name="decoder",
        kind="self",
        causal=True,
        layers=(Layer(name="d.0", heads=2), Layer(name="d.1", heads=4)),
    )
    cross = Part(name="cross", kind="cross", causal=False, layers=layers(2, 2))
    probes = (probe(0, 5, target=3), probe(1, 2, target=6, split="train"))
    return RunInfo(
        parts=(encoder(3, 2), decoder, cross),
        probes=probes,
        metrics=METRICS,
        uniform={},
        kept=tuple(Kept(probe=probe.index, form="whole", vectors=True) for probe in probes),
    )


def softmax_rows(rng, shape, *, sharpness=3.0):
    scores = rng.normal(size=shape) * sharpness
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)


def attention_of(part, sentence, rng):
    """Random maps; heads that a layer does not have are zeros, as capture pads them."""
    query, key = sentence.axes(part)
    maps = softmax_rows(rng, (len(part.layers), part.heads, len(query), len(key)))
    for at, layer in enumerate(part.layers):
        maps[at, layer.heads :] = 0.0
    return maps


def record(info, step, *, epoch=0, seed=None, vectors=False, scalars=None):
    """A step with maps and metrics of everything; the same step always looks the same."""
    rng = np.random.default_rng(step if seed is None else seed)
    attention = {
        part.name: {sentence.index: attention_of(part, sentence, rng)
                    for sentence in info.probes}
        for part in info.parts
    }  # fmt: skip
    metrics = {
        part.name: rng.random(
            (metric_rows(info.probes), len(part.layers), part.heads, len(info.metrics))
        )
        for part in info.parts
    }
    found = {}
    if vectors:
        for part in info.parts:
            found[part.name] = {}
            for sentence in info.probes:
                query, key = sentence.axes(part)
                shape = (len(part.layers), part.heads)
                found[part.name][sentence.index] = Vectors(
                    query=rng.normal(size=(*shape, len(query), 8)).astype(np.float32),
                    key=rng.normal(size=(*shape, len(key), 8)).astype(np.float32),
                    value=rng.normal(size=(*shape, len(key), 6)).astype(np.float32),
                )
    return StepRecord(
        step=step,
        epoch=epoch,
        attention=attention,
        metrics=metrics,
        scalars={"val_loss": 1.0 / (step + 1)} if scalars is None else scalars,
        vectors=found,
    )


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON document of one line, as an earlier version would have: without a checksum."""
    document = json.loads(path.read_text())
    document.pop("crc", None)
    change(document)
    path.write_text(json.dumps(document) + "\n")
