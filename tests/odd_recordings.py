"""Recordings that no training would make: words and names that try to be code, many steps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from attn_monitor.analysis import compute_metrics, metric_specs, uniform_reference
from attn_monitor.core.maps import Maps
from attn_monitor.core.nouns import Layer, Part, Probe, Split, Tokens
from attn_monitor.monitor.summaries import add_marker
from attn_monitor.store import RunInfo, RunWriter, StepRecord, Vectors

HOSTILE = "<img src=x onerror=alert(1)>"
HOSTILE_WORDS = (
    HOSTILE,
    "\u202eright to left",
    "🙂",
    "",
    "x" * 10_000,
    "\x00\x1b[31m",
    "plain",
)


def record_hostile_run(folder: Path) -> None:
    """Steps whose tokens, module names, options and scalars are all hostile."""
    record(folder, [1, 2], words=HOSTILE_WORDS, name=HOSTILE, splits=("val", "train"))


def record_steps(folder: Path, steps: Iterable[int]) -> None:
    """Many steps of one short sentence."""
    record(folder, steps, words=("[CLS]", "it", "flies"), name="layer")


def record(
    folder: Path,
    steps: Iterable[int],
    *,
    words: tuple[str, ...],
    name: str,
    splits: tuple[Split, ...] = ("val",),
) -> None:
    """One sentence, once per split, through two layers of two heads; with queries and keys."""
    layers = tuple(Layer(name=f"{name}.{i}", heads=2, evidence="model") for i in range(2))
    part = Part(name="encoder", kind="self", causal=False, layers=layers)
    random = np.random.default_rng(0)
    maps = random.dirichlet(np.ones(len(words)), size=(2, 2, len(words))).astype(np.float32)
    metrics = np.stack([compute_metrics(Maps(attn=layer)) for layer in maps])
    info = RunInfo(
        parts=(part,),
        probes=tuple(
            Probe(index=at, split=split, source=Tokens(text=words))
            for at, split in enumerate(splits)
        ),
        metrics=metric_specs(),
        uniform={"encoder": np.stack([uniform_reference(Maps(attn=layer)) for layer in maps])},
        options={"note": name},
    )
    points = random.normal(size=(2, 2, 2, len(words), 4)).astype(np.float32)
    writer = RunWriter(str(folder), info)
    events = SummaryWriter(str(folder))
    for step in steps:
        places = range(len(splits))
        writer.write(
            StepRecord(
                step=step,
                epoch=step // 20,
                attention={"encoder": dict.fromkeys(places, maps)},
                metrics={"encoder": np.stack([metrics for _ in places])},
                scalars={f"{name}_loss": 1.0},
                vectors={"encoder": {at: Vectors(query=points[0], key=points[1]) for at in places}},
            )
        )
        add_marker(events, session=writer.session, step=step, epoch=step // 20)
    events.close()
    writer.close()
