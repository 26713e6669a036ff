"""One recording of every kind that the tab must show well, for tests and for pictures.

Maps are made, not trained: every head looks somewhere (at itself, the word before or after, one
word, its block, the first token, nowhere in particular), the more so the later the step.

``python tests/view_recordings.py FOLDER`` writes all of them, each a run of one log directory.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from large_recordings import WORDS, record_large_run
from torch.utils.tensorboard import SummaryWriter

from attn_monitor.analysis import compute_metrics, metric_specs, uniform_reference
from attn_monitor.core.kept import Kept
from attn_monitor.core.maps import Maps
from attn_monitor.core.nouns import Layer, Part, PatchImage, Probe, Tokens, metric_rows
from attn_monitor.monitor.summaries import add_marker
from attn_monitor.store import RunInfo, RunWriter, StepRecord, Vectors

PATTERNS = ("self", "previous", "next", "word", "block", "first", "broad")
STRENGTH = 7.0


def pattern(kind: str, queries: int, keys: int, random: np.random.Generator) -> np.ndarray:
    """Scores of a head that looks where its kind says. [query, key]"""
    rows = np.arange(queries)[:, None] * keys / queries
    columns = np.arange(keys)[None, :]
    if kind == "broad":
        return np.zeros((queries, keys))
    if kind == "word":
        return np.broadcast_to(columns == int(random.integers(1, keys)), (queries, keys)).astype(
            float
        )
    if kind == "first":
        return np.broadcast_to(columns == 0, (queries, keys)).astype(float)
    if kind == "block":
        size = max(2, keys // 6)
        return (np.floor(rows / size) == np.floor(columns / size)).astype(float)
    shift = {"self": 0, "previous": -1, "next": 1}[kind]
    return (np.round(rows) + shift == columns).astype(float)


def attention(
    part: Part, queries: int, keys: int, *, seed: int, progress: float, window: int | None = None
) -> np.ndarray:
    """Maps of a part, from nearly even attention (``progress`` 0) to peaked (1).

    [layer, head, query, key], float32; rows sum to 1; heads that a layer lacks are zero.
    """
    random = np.random.default_rng(seed)
    distance = np.arange(queries)[:, None] - np.arange(keys)[None, :]
    hidden = np.zeros((queries, keys), bool)
    if part.causal:
        hidden |= distance < 0
    if window is not None:
        hidden |= distance >= window
    made = np.zeros((len(part.layers), part.heads, queries, keys), np.float32)
    for at, layer in enumerate(part.layers):
        for head in range(layer.heads):
            kind = PATTERNS[(at + head) % len(PATTERNS)]
            scores = STRENGTH * progress * pattern(kind, queries, keys, random)
            scores += (0.2 + 0.6 * progress) * random.standard_normal((queries, keys))
            scores[:, 0] += 1.5 * progress
            scores[hidden] = -np.inf
            weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
            made[at, head] = weights / weights.sum(axis=-1, keepdims=True)
    return made


def sentence(count: int, *, start: int = 0, special: bool = True) -> Tokens:
    inner = [WORDS[(start + at) % len(WORDS)] for at in range(count)]
    if special and count > 2:
        return Tokens(text=("[CLS]", *inner[2:], "[SEP]"), special=(0, count - 1))
    return Tokens(text=tuple(inner))


def picture(side: int) -> Tokens:
    """``[CLS]`` and the patches of an image of a bright disc on a slope."""
    pixels = 4 * side
    y, x = np.mgrid[0:pixels, 0:pixels] / pixels
    disc = (x - 0.62) ** 2 + (y - 0.4) ** 2 < 0.05
    image = np.stack([60 + 120 * x, 90 + 60 * y, 160 - 90 * x], axis=-1)
    image[disc] = (250, 210, 80)
    patches = PatchImage(
        rows=side, columns=side, side=4, channels=3, pixels=image.astype(np.uint8).tobytes()
    )
    text = ("[CLS]", *(f"{row},{column}" for row in range(side) for column in range(side)))
    return Tokens(text=text, special=(0,), image=patches)


def layers(count: int, heads: int) -> tuple[Layer, ...]:
    return tuple(
        Layer(name=f"blocks.{at}.attn", heads=heads, evidence="model") for at in range(count)
    )


def self_part(count: int, heads: int, *, causal: bool = False, name: str = "encoder") -> Part:
    return Part(name=name, kind="self", causal=causal, layers=layers(count, heads))


@dataclass(frozen=True)
class Model:
    """What to record: parts, sentences and steps; ``loss`` names what was monitored."""

    parts: tuple[Part, ...]
    sources: tuple[Tokens, ...]
    target: Tokens | None = None
    steps: Sequence[int] = (0, 100, 200, 300, 400)
    seed: int = 0
    loss: str = "val_loss"
    best: float = 0.6
    vectors: bool = False
    window: int | None = None
    spoil: Callable[[np.ndarray], None] | None = None
    raised: bool = True
    overflows: bool = False


def probes_of(model: Model) -> tuple[Probe, ...]:
    half = (len(model.sources) + 1) // 2
    return tuple(
        Probe(index=at, split="val" if at < half else "train", source=source, target=model.target)
        for at, source in enumerate(model.sources)
    )


def seen_maps(part: Part, one: Probe, maps: np.ndarray, layer: int) -> Maps:
    _, key = one.axes(part)
    return Maps(
        attn=maps[layer, : part.layers[layer].heads],
        causal=part.causal,
        cross=part.kind == "cross",
        special=key.special,
        key_tokens=key.text,
    )


def metrics_of(part: Part, probes: Sequence[Probe], maps: dict[int, np.ndarray]) -> np.ndarray:
    table = np.full(
        (metric_rows(probes), len(part.layers), part.heads, len(metric_specs())), np.nan
    )
    for one in probes:
        for layer, made in enumerate(part.layers):
            table[one.index, layer, : made.heads] = compute_metrics(
                seen_maps(part, one, maps[one.index], layer)
            )
    return table


def record(folder: Path, model: Model) -> None:
    """Write one run as the monitor would: arrays, markers and the losses TensorBoard plots."""
    probes = probes_of(model)
    first = {part.name: maps_at(part, probes, model, 0.0) for part in model.parts}
    info = RunInfo(
        parts=model.parts,
        probes=probes,
        metrics=metric_specs(),
        uniform={
            part.name: np.stack(
                [
                    uniform_reference(seen_maps(part, probes[0], first[part.name][0], layer))
                    for layer in range(len(part.layers))
                ]
            )
            for part in model.parts
        },
        options={"note": "made without a model"},
        kept=tuple(Kept(probe=one.index, form="whole", vectors=model.vectors) for one in probes),
    )
    writer = RunWriter(str(folder), info)
    events = SummaryWriter(str(folder))
    last = max(1, len(model.steps) - 1)
    for at, step in enumerate(model.steps):
        progress = at / last
        maps = {part.name: maps_at(part, probes, model, progress) for part in model.parts}
        rise = max(0.0, progress - model.best) if model.raised else 0.0
        metrics = {part.name: metrics_of(part, probes, maps[part.name]) for part in model.parts}
        scalars = {
            "train_loss": 2.3 * np.exp(-3 * progress) + 0.05,
            model.loss: 2.3 * np.exp(-3 * min(progress, model.best)) + 0.4 + 1.5 * rise,
        }
        if model.overflows:
            overflow(at, scalars, metrics)
        writer.write(
            StepRecord(
                step=step,
                epoch=at,
                attention=maps,
                metrics=metrics,
                scalars=scalars,
                vectors=vectors_of(model, probes) if model.vectors else {},
            )
        )
        add_marker(events, session=writer.session, step=step, epoch=at)
        for name, value in scalars.items():
            events.add_scalar(name, value, step)
    events.close()
    writer.close()


def maps_at(
    part: Part, probes: Sequence[Probe], model: Model, progress: float
) -> dict[int, np.ndarray]:
    found = {}
    for one in probes:
        query, key = one.axes(part)
        found[one.index] = attention(
            part,
            len(query),
            len(key),
            seed=model.seed,
            progress=progress,
            window=model.window,
        )
        if model.spoil is not None and progress > 0:
            model.spoil(found[one.index])
    return found


def vectors_of(model: Model, probes: Sequence[Probe]) -> dict[str, dict[int, Vectors]]:
    random = np.random.default_rng(model.seed)
    made = {}
    for part in model.parts:
        shape = (len(part.layers), part.heads)
        made[part.name] = {}
        for one in probes:
            query, key = one.axes(part)
            made[part.name][one.index] = Vectors(
                query=random.normal(size=(*shape, len(query), 8)).astype(np.float32),
                key=random.normal(size=(*shape, len(key), 8)).astype(np.float32),
                value=random.normal(size=(*shape, len(key), 6)).astype(np.float32),
            )
            if model.overflows:
                made[part.name][one.index].key[1, 2, 4, 0] = np.inf
    return made


def spoil_heads(maps: np.ndarray) -> None:
    """Whole heads and single rows of NaN, as an overflow in half precision leaves them."""
    maps[0, 0] = np.nan
    maps[1, 1, 2] = np.nan


def spoil_by_overflow(maps: np.ndarray) -> None:
    """Infinities in three rows of one head, and in one of another."""
    maps[0, 1, 3:6, 2] = np.inf
    maps[1, 2, 4, 1] = -np.inf


def overflow(at: int, scalars: dict[str, float], metrics: dict[str, np.ndarray]) -> None:
    """Scores that outgrow half precision, and losses that follow them."""
    names = [spec.name for spec in metric_specs()]
    for table in metrics.values():
        scores = table[..., names.index("logit_max")]  # [probe, layer, head]
        scores[...] = 1.0 + at + np.arange(scores.shape[-1])
        if at >= 2:
            scores[:, 1, 2] = np.inf
            table[:, 0, 1, names.index("logit_mean")] = -np.inf
            scalars["train_loss"] = np.inf if at == 2 else np.nan


DEMO = Model(
    parts=(self_part(6, 12),),
    sources=(sentence(15), sentence(10, start=3), sentence(33, start=5), sentence(15, start=2)),
    vectors=True,
)
TRANSLATION = Model(
    parts=(
        self_part(3, 4),
        self_part(3, 4, causal=True, name="decoder"),
        Part(name="cross", kind="cross", causal=False, layers=layers(3, 4)),
    ),
    sources=(sentence(14), sentence(14, start=4)),
    target=Tokens(text=tuple(f"mot{at}" for at in range(11)), special=(10,)),
)
NAMES = ("age", "income", "height", "weight", "city")
FEATURES = Tokens(text=NAMES, values=("39", "52,000", "1.71", "68", "Riga"))
SERIES = Tokens(text=tuple(f"t{at}" if at else "t" for at in range(-23, 1)))

MODELS: dict[str, Model] = {
    "demo": DEMO,
    "gpt": Model(
        parts=(self_part(12, 12, causal=True, name="decoder_only"),),
        sources=(sentence(128, special=False),),
        steps=(0, 500, 1000),
    ),
    "window": Model(
        parts=(self_part(2, 4, causal=True, name="decoder_only"),),
        sources=(sentence(48, special=False),),
        steps=(0, 100),
        window=12,
    ),
    "vit": Model(parts=(self_part(6, 12),), sources=(picture(8), picture(8)), steps=(0, 100, 200)),
    "translation": TRANSLATION,
    "sixteen": Model(parts=(self_part(4, 16),), sources=(sentence(40),), steps=(0, 100, 200)),
    "onehead": Model(parts=(self_part(2, 1),), sources=(sentence(12),)),
    "tabular": Model(parts=(self_part(3, 8),), sources=(FEATURES, FEATURES)),
    "series": Model(parts=(self_part(3, 4),), sources=(SERIES, SERIES), steps=(0, 100, 200)),
    "steps200": Model(
        parts=(self_part(2, 4),), sources=(sentence(12),), steps=tuple(range(0, 4000, 20))
    ),
    "nan": Model(parts=(self_part(2, 4),), sources=(sentence(12),), spoil=spoil_heads),
    "overflow": Model(
        parts=(self_part(2, 4),),
        sources=(sentence(12),),
        spoil=spoil_by_overflow,
        overflows=True,
        vectors=True,
    ),
    "ended": Model(
        parts=(self_part(2, 4),), sources=(sentence(12),), loss="eval_loss", raised=False
    ),
    "two/first": replace(DEMO, parts=(self_part(2, 4),), vectors=False),
    "two/second-with-a-rather-long-name": replace(
        DEMO, parts=(self_part(2, 4),), vectors=False, seed=5, best=0.3
    ),
    "mismatch/words": Model(parts=(self_part(2, 4),), sources=(sentence(15, start=7),)),
    "mismatch/heads": Model(parts=(self_part(3, 6),), sources=(sentence(15),)),
} | {
    f"ten/run{at}": Model(parts=(self_part(2, 4),), sources=(sentence(12),), seed=at, best=at / 10)
    for at in range(10)
}


def record_all(folder: Path, names: Sequence[str] = tuple(MODELS)) -> None:
    """Write the named recordings as runs of one log directory."""
    for name in names:
        record(folder / name, MODELS[name])


if __name__ == "__main__":
    record_all(Path(sys.argv[1]))
    record_large_run(Path(sys.argv[1]) / "long", layers=24, heads=16, tokens=512, steps=(0, 10, 20))
