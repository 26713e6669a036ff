"""A recording process is killed again and again; nothing it acknowledged may be lost."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
from recordings import encoder_info, record

from attn_monitor.store import open_run
from attn_monitor.store.names import rank_folder

KILLS = 8
INFO = {"lengths": (20, 30), "heads": 4}

RECORDER = """
import sys
sys.path[:0] = [{root!r}, {root!r} + "/tests"]
from recordings import encoder_info, record
from attn_monitor.store import RunWriter
info = encoder_info(lengths={lengths!r}, heads={heads!r})
start = int(sys.argv[2])
writer = RunWriter(sys.argv[1], info, resume_step=start - 1 if start else None)
step = start
while True:
    writer.write(record(info, step))
    print(step, flush=True)  # the acknowledgement
    step += 1
"""


@pytest.mark.timeout(120)
def test_every_acknowledged_step_survives_kill_9_and_nothing_torn_is_visible(tmp_path, request):
    script = tmp_path / "recorder.py"
    script.write_text(RECORDER.format(root=str(request.config.rootpath), **INFO))
    run_dir = tmp_path / "run"
    rng = np.random.default_rng(0)
    acknowledged = -1
    for _ in range(KILLS):
        recorder = subprocess.Popen(
            [sys.executable, str(script), str(run_dir), str(acknowledged + 1)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=request.config.rootpath,
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
        check(run_dir, acknowledged)
    assert acknowledged >= KILLS


def check(run_dir, acknowledged):
    run = open_run(run_dir)
    info = encoder_info(**INFO)
    assert run.problems == ()
    assert set(range(acknowledged + 1)) <= set(run.steps)
    metrics = run.metric_values(part="encoder", probe=1)
    for at, step in enumerate(run.steps):
        truth = record(info, step)
        read = run.attention(step=step, probe=1, part="encoder", layer=1)
        np.testing.assert_allclose(read, truth.attention["encoder"][1][1], atol=0.005)
        np.testing.assert_array_equal(metrics[at], truth.metrics["encoder"][1].astype(np.float32))
    for line in (run_dir / rank_folder(0) / "commits.jsonl").read_bytes().split(b"\n")[:-1]:
        json.loads(line)
