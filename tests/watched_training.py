"""Real trainings of the tiny model under the monitor, and what it says meanwhile."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from pathlib import Path

import lightning as L

from attn_monitor import AttentionMonitor
from attn_monitor.monitor.failures import AttentionMonitorWarning
from tests.tiny_lightning import Tiny, loaders, trainer, words


def fit(root, *callbacks, model=None, epochs=2, seed=5, fails=False, **options):
    L.seed_everything(seed, verbose=False)
    model = model or Tiny()
    run = trainer(root, *callbacks, epochs=epochs, **options)
    run.fit(model, *loaders())
    problems = sum(c.failures.count for c in callbacks if isinstance(c, AttentionMonitor))
    assert (problems > 0) == fails
    return model, run


def monitor(**options):
    few = {"probes": 4, "train_probes": 3, "lens_sentences": 5, "signal_sentences": 9}
    return AttentionMonitor(**{"tokens": words, **few, **options})


@contextmanager
def the_monitor_says(message):
    """What others warn of in the meantime does not matter here."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
    texts = [str(w.message) for w in said if w.category is AttentionMonitorWarning]
    assert any(message in text for text in texts), texts


def run_dir(run):
    return Path(run.logger.log_dir)
