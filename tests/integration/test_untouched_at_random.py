"""Trainings made at random, with state of every kind: the same to the bit with the monitor."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import pytest

from attn_monitor import AttentionMonitor
from tests.generated_trainings import run
from tests.programs import run_program

ROOT = Path(__file__).parents[2]
MODULES = int(os.environ.get("UNTOUCHED_MODULES", "48"))
ON_TWO = range(3, 3 + max(1, MODULES // 26))  # of them, on two processes
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


@pytest.mark.parametrize("first", ON_TWO[::AT_ONCE])
def test_no_training_of_two_processes_is_disturbed(first, tmp_path):
    after = min(first + AT_ONCE, ON_TWO.stop)
    program = ROOT / "tests" / "generated_on_two.py"
    done = run_program(
        str(tmp_path), str(first), str(after), file=program, environment={"PYTHONPATH": str(ROOT)}
    )
    ended = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert ended == [{"ended": after, "moved": {}}] * 2, done.stderr[-2000:]
    assert list(tmp_path.rglob("commits.jsonl"))
