"""A recording process is killed again and again; nothing it acknowledged may be lost.

make kill    (PYTHONPATH=.:tests python tests/reliability/kill.py --kills 1000)
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from recordings import encoder_info, record

from attn_monitor.store import open_run, verify_run
from attn_monitor.store.names import rank_folder

ROOT = Path(__file__).parents[2]
INFO = {"lengths": (20, 30), "heads": 4}
RECORDER = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from recordings import encoder_info, record
from attn_monitor.store import RunWriter
info = encoder_info(**{INFO!r})
start = int(sys.argv[2])
budget = float(sys.argv[3]) or None
writer = RunWriter(sys.argv[1], info, resume_step=start - 1 if start else None, budget_mb=budget)
step = start
while True:
    writer.write(record(info, step))
    print(step, flush=True)  # the acknowledgement
    step += 1
"""


def sweep(run_dir, *, kills, seed=0, budget_mb=0.0, progress=lambda *_: None):
    """Kill a recording process at random moments; return how many steps it acknowledged.

    Raises:
        AssertionError: A step that was acknowledged is lost, or what is read is not what was
            written.
    """
    rng = np.random.default_rng(seed)
    acknowledged = -1
    for done in range(kills):
        recorder = subprocess.Popen(
            [sys.executable, "-c", RECORDER, str(run_dir), str(acknowledged + 1), str(budget_mb)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        # Kill after some acknowledgements, at a random moment of the next write.
        for _ in range(int(rng.integers(1, 5))):
            acknowledged = int(recorder.stdout.readline())
        for _ in range(int(rng.integers(0, 40_000))):
            pass
        recorder.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *map(int, recorder.stdout.read().split())])
        recorder.wait()
        recorder.stdout.close()
        check(run_dir, acknowledged, newest=4)
        progress(done + 1, acknowledged + 1)
    check(run_dir, acknowledged)
    return acknowledged + 1


def check(run_dir, acknowledged, *, newest=None):
    """Compare a recording with what was written, all of it or the newest steps."""
    run = open_run(run_dir)
    info = encoder_info(**INFO)
    assert run.problems == ()
    assert set(range(acknowledged + 1)) <= set(run.steps)
    steps = run.steps if newest is None else run.steps[-newest:]
    metrics = run.metric_values(part="encoder", probe=1)
    for step in steps:
        truth = record(info, step)
        at = run.steps.index(step)
        np.testing.assert_array_equal(metrics[at], truth.metrics["encoder"][1].astype(np.float32))
        if run.has_maps(step):
            read = run.attention(step=step, probe=1, part="encoder", layer=1)
            np.testing.assert_allclose(read, truth.attention["encoder"][1][1], atol=0.005)
    for line in (run_dir / rank_folder(0) / "commits.jsonl").read_bytes().split(b"\n")[:-1]:
        json.loads(line)
    if newest is None:
        assert verify_run(run_dir).problems == ()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget-mb", type=float, default=0.5, help="maps are thinned beyond it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        steps = sweep(
            Path(folder) / "run",
            kills=options.kills,
            seed=options.seed,
            budget_mb=options.budget_mb,
            progress=lambda kills, steps: print(f"\r{kills} kills, {steps} steps", end=""),
        )
    print(f"\r{options.kills} kills, {steps} acknowledged steps: 0 lost, 0 torn")
    return 0


if __name__ == "__main__":
    sys.exit(main())
