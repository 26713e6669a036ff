"""A recording process is killed again and again; nothing it acknowledged may be lost.

    make kill    (PYTHONPATH=.:tests python tests/reliability/kill.py --kills 1000)

Half of the kills come at any moment; half at one operation on a file, the same again from the same
seed: before it, when half of the bytes are written, all but one, or after it. Operations of the
recovery after the kill before count, so many a kill meets a recovery.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from recordings import encoder_info, record

from attn_monitor.store import RunWriter, local, open_run, verify_run
from attn_monitor.store.names import rank_folder
from tests.reliability.noted_batches import STORE, Outcome, kept_at, progress, run, tell

INFO = {"lengths": (20, 30), "heads": 4}
IN_A_CHAIN = 20  # kills of one recording
MOST_OPERATIONS = 60  # that a process gets to before it is killed
MOMENTS = ("before", "half", "all but one", "after")


class _Dying:
    """Counts operations on files, and dies in the one that was chosen."""

    def __init__(self, number, moment):
        self._left, self._moment = number, moment

    def install(self):
        """Have every operation of the store on a file pass here."""
        opening = Path.open
        Path.open = lambda path, *mode, **more: _File(opening(path, *mode, **more), self)
        for owner, name in ((Path, "replace"), (Path, "unlink"), (Path, "mkdir"),
                            (local, "_flush"), (local, "_flush_directory")):  # fmt: skip
            setattr(owner, name, self._passing(getattr(owner, name)))

    def _passing(self, operation):
        def passing(*args, **options):
            return self.does(lambda: operation(*args, **options))

        return passing

    def does(self, operation, *, some_of=None):
        """Do it, and die before, in the middle, or after, where it is the chosen one."""
        self._left -= 1
        if self._left:
            return operation()
        if self._moment in {"half", "all but one"} and some_of is not None:
            some_of(0.5 if self._moment == "half" else -1)
        elif self._moment != "before":
            operation()
        return os.kill(os.getpid(), signal.SIGKILL)


class _File:
    """An open file whose writes and truncations are counted."""

    def __init__(self, file, dying):
        self._file, self._dying = file, dying

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data):
        def some_of(share):
            end = len(data) - 1 if share < 0 else len(data) // 2
            self._file.write(data[:end])
            self._file.flush()

        return self._dying.does(lambda: self._file.write(data), some_of=some_of)

    def truncate(self, size):
        return self._dying.does(lambda: self._file.truncate(size))


def _record(pipe, run_dir, start, budget_mb, death):
    """Write steps until killed; each is acknowledged once it is written."""
    if death is not None:
        _Dying(*death).install()
    info = encoder_info(**INFO)
    writer = RunWriter(run_dir, info, resume_step=start - 1 if start else None, budget_mb=budget_mb)
    step = start
    while True:
        writer.write(record(info, step))
        pipe.send(step)
        step += 1


def _one_kill(context, rng, run_dir, start, budget_mb):
    """Start, kill; return the last step that was acknowledged."""
    receiving, sending = context.Pipe(duplex=False)
    death = None
    if rng.random() < 0.5:
        death = rng.randint(1, MOST_OPERATIONS), rng.choice(MOMENTS)
    recorder = context.Process(target=_record, args=(sending, run_dir, start, budget_mb, death))
    recorder.start()
    sending.close()
    last = start - 1
    try:
        if death is None:  # after some acknowledgements, at any moment of the next write
            for _ in range(rng.randint(0, 4)):
                last = receiving.recv()
            time.sleep(rng.random() * 0.03)
            recorder.kill()
        while True:
            last = receiving.recv()
    except EOFError:
        recorder.join()
    assert recorder.exitcode == -signal.SIGKILL
    return last


def sweep(folder, *, kills, seed=0, ledger=None, say=lambda _outcome: None):
    """Kill recording processes; return what happened."""
    # Each process is forked from one that has imported everything and opened no recording.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.reliability.kill"])

    def batch(number):
        rng, outcome = random.Random(f"{seed}:{number}"), Outcome()
        run_dir = folder / f"chain_{number}"
        budget_mb = rng.choice([None, 0.05, 0.5])
        acknowledged = -1
        try:
            for _ in range(min(IN_A_CHAIN, kills - number * IN_A_CHAIN)):
                acknowledged = _one_kill(context, rng, run_dir, acknowledged + 1, budget_mb)
                outcome.done["kills"] += 1
                if acknowledged >= 0:
                    check(run_dir, acknowledged, newest=4)
            check(run_dir, acknowledged)
        except Exception:  # noqa: BLE001 - what is looked for
            outcome.fault(f"chain {number}, after {acknowledged}", name=f"chain {number}")
        outcome.done["acknowledged steps"] += acknowledged + 1
        return outcome

    return run(batch, batches=-(-kills // IN_A_CHAIN), ledger=ledger, say=say)


def check(run_dir, acknowledged, *, newest=None):
    """Compare a recording with what was written, all of it or the newest steps."""
    found = open_run(run_dir)
    info = encoder_info(**INFO)
    assert found.problems == ()
    assert set(range(acknowledged + 1)) <= set(found.steps)
    steps = found.steps if newest is None else found.steps[-newest:]
    metrics = found.metric_values(part="encoder", probe=1)
    for step in steps:
        truth = record(info, step)
        at = found.steps.index(step)
        np.testing.assert_array_equal(metrics[at], truth.metrics["encoder"][1].astype(np.float32))
        if found.has_maps(step):
            read = found.attention(step=step, probe=1, part="encoder", layer=1)
            np.testing.assert_allclose(read, truth.attention["encoder"][1][1], atol=0.005)
    for line in (run_dir / rank_folder(0) / "commits.jsonl").read_bytes().split(b"\n")[:-1]:
        json.loads(line)
    if newest is None:
        assert verify_run(run_dir).problems == ()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ledger", type=Path, default=kept_at("kill", STORE),
                        help="goes on where this file ends")  # fmt: skip
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return tell(sweep(Path(folder), kills=options.kills, seed=options.seed,
                          ledger=options.ledger, say=progress))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
