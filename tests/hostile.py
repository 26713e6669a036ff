"""A recording whose words and names try to be code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from attn_monitor.analysis import compute_metrics, metric_specs, uniform_reference
from attn_monitor.core.maps import Maps
from attn_monitor.core.types import Layer, Part, Probe, Tokens
from attn_monitor.monitor.summaries import add_marker
from attn_monitor.store import RunInfo, RunWriter, StepRecord


def record_hostile_run(folder: Path, word: str) -> None:
    words = (word, "\u202eright to left", "🙂", "", "x" * 10_000, "\x00\x1b[31m", "plain")
    layers = tuple(Layer(name=f"{word}.{i}", heads=2, evidence="model") for i in range(2))
    part = Part(name="encoder", kind="self", causal=False, layers=layers)
    probe = Probe(index=0, split="val", source=Tokens(text=words))
    random = np.random.default_rng(0)
    maps = random.dirichlet(np.ones(len(words)), size=(2, 2, len(words))).astype(np.float32)
    metrics = np.stack([compute_metrics(Maps(attn=layer)) for layer in maps])[None]
    uniform = np.stack([uniform_reference(Maps(attn=layer)) for layer in maps])
    info = RunInfo(
        parts=(part,),
        probes=(probe,),
        metrics=metric_specs(),
        uniform={"encoder": uniform},
        options={"note": word},
    )
    writer = RunWriter(str(folder), info)
    writer.write(
        StepRecord(
            step=1,
            epoch=1,
            attention={"encoder": {0: maps}},
            metrics={"encoder": metrics},
            scalars={f"{word}_loss": 1.0},
        )
    )
    events = SummaryWriter(str(folder))
    add_marker(events, session=writer.session, step=1, epoch=1)
    events.close()
    writer.close()
