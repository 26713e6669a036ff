"""Trainings made at random, with state of every kind: the same to the bit with the monitor."""

from __future__ import annotations

import os
import warnings

import pytest

from attn_monitor import AttentionMonitor
from tests.generated_trainings import run

MODULES = int(os.environ.get("UNTOUCHED_MODULES", "48"))
AT_ONCE = 8
FEW = {"probes": 2, "train_probes": 1, "lens_sentences": 0, "signal_sentences": 0}


def difference(seed, folder):
    """Return what is not the same, and whether anything was recorded."""
    monitor = AttentionMonitor(**FEW, log_images=False, every_n_epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module, plain = run(seed, folder / "plain")
        _, watched = run(seed, folder / "watched", monitor)
    moved = [name for name in plain if plain[name] != watched[name]]
    recorded = bool(list((folder / "watched").rglob("commits.jsonl")))
    return moved, recorded, f"module {seed}: {module.kinds}, {module.writes}, {module.tampers}"


@pytest.mark.timeout(0)
@pytest.mark.parametrize("first", range(0, MODULES, AT_ONCE))
def test_no_training_is_disturbed_whatever_its_module_keeps(first, tmp_path):
    found = {
        what: (moved, recorded)
        for seed in range(first, min(first + AT_ONCE, MODULES))
        for moved, recorded, what in [difference(seed, tmp_path / str(seed))]
    }
    assert {what: moved for what, (moved, _) in found.items() if moved} == {}
