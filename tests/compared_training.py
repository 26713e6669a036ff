"""One training without and with the monitor, and what both ended with."""

from __future__ import annotations

import hashlib

import lightning as L
import numpy as np
import torch
from torch.nn import functional as F

from attn_monitor import AttentionMonitor, open_run
from tests.tiny_lightning import WORDS, Tiny, loaders, trainer, words

LAYER, KINDS = "encoder.layers.0.self_attn", ("weight", "bias")


def monitor(**options):
    few = {"probes": 4, "train_probes": 3, "lens_sentences": 2, "signal_sentences": 6}
    return AttentionMonitor(**{"tokens": words, **few, **options})


def train(root, *callbacks, model=Tiny, data=loaders, **options):
    """Return the trainer, the model, and what the training ended with."""
    L.seed_everything(5, verbose=False)
    trained, run = model(), trainer(root, *callbacks, **options)
    run.fit(trained, *data())
    state = b"".join(value.numpy().tobytes() for value in trained.state_dict().values())
    # Not Python's own generator: the checks of types in tests draw from it.
    drawn = float(np.random.rand()), float(torch.rand(1))
    return run, trained, (hashlib.sha256(state).hexdigest(), trained.losses, drawn)


def watched(tmp_path, *, extra=tuple, watching=None, fails=False, **options):
    """Train without and with the monitor, compare, and return the recording."""
    watching = watching or monitor()
    *_, plain = train(tmp_path / "plain", *extra(), **options)
    run, model, seen = train(tmp_path / "watched", *extra(), watching, **options)
    assert plain == seen
    assert (watching.failures.count > 0) == fails
    return open_run(run.logger.log_dir), model


def embedded(recording, weights, step):
    """Return the queries of a lens sentence, and what some weights make of it."""
    seen = recording.vectors(step=step, part="encoder", layer=0, head=0)
    probe = next(p for p in recording.probes if p.split == "lens")
    ids = torch.tensor([WORDS.index(text) for text in probe.source.text])
    own = F.linear(weights["embed.weight"][ids], *(weights[f"{LAYER}.in_proj_{k}"] for k in KINDS))
    return seen.query[seen.query_probe == probe.index], own[:, :8].numpy()
