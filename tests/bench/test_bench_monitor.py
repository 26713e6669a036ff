"""What the monitor costs a training run: alternating runs in one process, medians, as ratios."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

ROUNDS = 3
BUDGET = 1.10
PROOF = 0.02  # of a recorded step


@pytest.mark.bench
@pytest.mark.timeout(1800)
def test_the_airline_example_is_at_most_a_tenth_slower_with_the_monitor(tmp_path, capsys):
    from airline_sentiment import train

    def seconds(name, *, monitor):
        start = time.perf_counter()
        train(epochs=1, logdir=str(tmp_path / name), monitor=monitor)
        return time.perf_counter() - start

    train(epochs=1, limit=300, logdir=str(tmp_path / "warm"))
    plain, watched = [], []
    for number in range(ROUNDS):
        plain.append(seconds(f"plain{number}", monitor=False))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        watched.append(seconds(f"watched{number}", monitor=True))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ratio = statistics.median(watched) / statistics.median(plain)
    steps = list(tmp_path.glob("watched*/airline/version_0/plugins/**/*.zarr.zip"))
    size = statistics.median(p.stat().st_size for p in steps)
    with capsys.disabled():
        print(
            f"\none epoch, 2 recorded steps of 16 + 16 probes, 6 layers x 8 heads: "
            f"{ratio:.3f} x the time without (median of {ROUNDS}: "
            f"{statistics.median(watched):.1f} s against {statistics.median(plain):.1f} s); "
            f"{size / 1e6:.2f} MB of maps per step; "
            f"peak memory grew by {(after - before) / 1024:.0f} MB in the last watched run "
            f"(peak {after / 1024:.0f} MB)"
        )
    assert ratio <= BUDGET


@pytest.mark.bench
@pytest.mark.timeout(3600)
def test_a_recorded_step_costs_little_more_for_the_proof_that_training_is_untouched(capsys):
    """`EARLIER=<a clone of an earlier build>` measures that one beside this, in turns."""
    script = Path(__file__).parent / "recorded_step.py"
    places = {"this build": None, "the earlier one": os.environ.get("EARLIER")}
    seconds = {name: [] for name, place in places.items() if name == "this build" or place}
    for _ in range(ROUNDS):
        for name, found in seconds.items():
            path = {} if places[name] is None else {"PYTHONPATH": places[name]}
            environment = {**os.environ, "OMP_NUM_THREADS": "1", **path}
            ran = subprocess.run(
                [sys.executable, script], env=environment, check=True, capture_output=True
            )
            found.append(json.loads(ran.stdout.splitlines()[-1]))
    step = {n: statistics.median(x["step"] for x in found) for n, found in seconds.items()}
    share = statistics.median(x["proof"] / x["step"] for x in seconds["this build"])
    with capsys.disabled():
        print(f"\na recorded step of BERT, 14 million parameters: {step} s; proof {share:.2%}")
    assert share <= PROOF
    assert step["this build"] <= step.get("the earlier one", step["this build"])
