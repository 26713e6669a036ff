"""What becomes of recorded steps when the disk is slow, broken or gone, and training goes on."""

import errno
import itertools
import os
import shutil
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from recordings import encoder_info, record

from attn_monitor.analysis import registered_metrics
from attn_monitor.monitor.alerts import Alerts
from attn_monitor.monitor.deferred import Deferred
from attn_monitor.monitor.failures import AttentionMonitorWarning, Failures
from attn_monitor.monitor.handover import Handover
from attn_monitor.monitor.observation import Observation
from attn_monitor.monitor.report import Report
from attn_monitor.monitor.worker import PATIENCE, Worker
from attn_monitor.store import RunWriter, open_run
from attn_monitor.store.local import LocalFolder

INFO = encoder_info()


def seen(nbytes):
    """An observation of nothing that holds some memory."""
    deferred = Deferred(metrics=registered_metrics())
    nothing = {name: {} for name in ("attention", "windows", "thumbnails", "vectors", "metrics")}
    return Observation(**nothing, outputs=np.zeros((1, nbytes // 8)), deferred=deferred)


class Reported(Report):
    def __init__(self):
        self.steps, self.drew_last = [], False

    def __call__(self, seen, *, step, epoch, session, signals):  # noqa: ARG002
        self.steps.append(step)

    def close(self):
        self.drew_last = True


class Alarm(Alerts):
    def __init__(self, act):
        self.act, self.steps = act, itertools.count()

    def __call__(self):
        self.act(next(self.steps))
        return {}


class Kept:
    """A hand-over to a directory, and what was said meanwhile."""

    def __init__(self, path, *, act=lambda _step: None, open_store=None, after=None):
        self.failures, self.report = Failures(), Reported()
        self.handover = Handover(
            open_store or (lambda: RunWriter(path, INFO)),
            report=self.report,
            alerts=Alarm(act),
            failures=self.failures,
            after=after and after.handover,
        )
        self.longest = 0.0

    def give(self, *steps, nbytes=10):
        for step in steps:
            start = time.perf_counter()
            self.handover.give(seen(nbytes), record(INFO, step))
            self.longest = max(self.longest, time.perf_counter() - start)

    def settle(self):
        """Wait until the disk has caught up."""
        handed = threading.Event()
        assert self.handover._worker.submit("waiting", handed.set)
        assert handed.wait(20)


@pytest.fixture
def said():
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield found


def texts(said):
    return [str(w.message) for w in said if w.category is AttentionMonitorWarning]


def test_steps_are_written_reported_and_counted(tmp_path, said, caplog):
    kept = Kept(tmp_path)
    kept.give(0, 1, 2)
    with caplog.at_level("INFO", logger="attn_monitor"):
        kept.handover.close()
    assert open_run(tmp_path).steps == (0, 1, 2)
    assert kept.report.steps == [0, 1, 2]
    assert (kept.handover.recorded, kept.handover.dropped) == (3, {})
    assert "recorded 3 steps, dropped none" in caplog.text
    assert texts(said) == []


@pytest.mark.parametrize("comes_back", [False, True])
def test_under_a_quota_steps_are_dropped_and_nothing_is_drawn(
    tmp_path, said, monkeypatch, comes_back
):
    kept = Kept(tmp_path)
    kept.give(0)
    kept.settle()

    def refuses(_):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuses)
        kept.give(1, 2)
        kept.settle()
    if comes_back:
        kept.give(3)
    kept.handover.close()
    assert open_run(tmp_path).steps == ((0, 3) if comes_back else (0,))
    assert kept.report.drew_last == comes_back  # a picture would end the training's event file
    assert kept.handover.dropped.total() == 2
    assert "Disk quota exceeded" in texts(said)[-1]


def test_sys_exit_in_on_signal_ends_the_recording_and_nothing_waits_for_it(tmp_path, said):
    kept = Kept(tmp_path, act=lambda step: sys.exit("stop") if step == 1 else None)
    kept.give(0, 1)
    kept.handover._worker._thread.join(20)
    kept.give(2, 3)
    kept.handover.close()
    assert open_run(tmp_path).steps == (0, 1)
    assert kept.report.steps == [0, 1]  # the marker of a step that is on disk is never left out
    first, last = texts(said)
    assert "writing step 1: SystemExit: stop. Recording ends here" in first
    assert "2 of 4 steps were recorded, 2 were dropped: 2 because the recording had ended" in last


def test_a_disk_that_hangs_costs_steps_and_no_time(tmp_path, said, monkeypatch):
    free, true_write = threading.Event(), LocalFolder.write

    def slow(self, name, data):
        free.wait(20)
        true_write(self, name, data)

    monkeypatch.setattr(LocalFolder, "write", slow)
    kept = Kept(tmp_path)
    kept.give(*range(5), nbytes=100_000_000)  # large ones: two may wait
    assert kept.longest < PATIENCE + 5  # it would be 20 s; a free machine takes half a second
    free.set()
    kept.handover.close()
    assert open_run(tmp_path).steps == (0, 1)
    first, last = texts(said)
    assert "too slow to take another step within 0.5 s; step 2 is dropped" in first
    assert "2 of 5 steps were recorded, 3 were dropped: 3 because the disk was too slow" in last


def test_taking_over_while_a_disk_hangs_waits_for_nothing_and_counts_together(
    tmp_path, said, monkeypatch
):
    free, true_write = threading.Event(), LocalFolder.write
    monkeypatch.setattr(LocalFolder, "write", lambda *args: free.wait(60) and true_write(*args))
    first = Kept(tmp_path)
    first.give(0, 1)
    start = time.perf_counter()
    second = Kept(
        tmp_path, open_store=lambda: RunWriter(tmp_path, INFO, resume_step=1), after=first
    )
    second.give(2)
    assert time.perf_counter() - start < 30  # closing the first would take a minute
    free.set()
    second.handover.close()
    assert open_run(tmp_path).steps == (0, 1, 2)
    assert (first.report.steps, second.report.steps) == ([0, 1], [2])
    assert second.handover.recorded == 3
    assert first.handover.session == second.handover.session
    assert texts(said) == []


def test_a_remark_that_finds_no_room_is_said_and_not_waited_for(tmp_path, said, monkeypatch):
    free, true_write = threading.Event(), LocalFolder.write
    monkeypatch.setattr(LocalFolder, "write", lambda *args: free.wait(60) and true_write(*args))
    kept = Kept(tmp_path)
    true_wait, waits = kept.handover._worker._changed.wait_for, []
    kept.handover._worker._changed.wait_for = lambda ready, within=None: (
        waits.append(within) or true_wait(ready, within)
    )
    for _ in range(300):
        kept.handover.remark({"op": "reading"})
    free.set()
    assert PATIENCE not in waits
    (text,) = texts(said)
    assert "while writing the reading: the disk was too slow" in text
    kept.handover.close()


def test_a_disk_that_hangs_is_waited_for_once_until_it_moves():
    release, waits = threading.Event(), []
    worker = Worker(Failures(), waiting_bytes=1)
    true_wait = worker._changed.wait_for
    worker._changed.wait_for = lambda ready, within=None: (
        waits.append(within) or true_wait(ready, within)
    )
    for at in range(8):
        worker.submit(f"hanging {at}", lambda: release.wait(30), weight=9, within=0.01)
    assert waits.count(0.01) <= 4  # three find room: one is being done, two wait
    release.set()
    done = threading.Event()
    while not worker.submit("moving again", done.set, within=10):
        pass
    assert done.wait(20)
    assert worker.close()


def test_small_steps_wait_by_the_hundred(tmp_path, said, monkeypatch):
    free, true_write = threading.Event(), LocalFolder.write
    monkeypatch.setattr(LocalFolder, "write", lambda *args: free.wait(20) and true_write(*args))
    kept = Kept(tmp_path)
    kept.give(*range(100))
    free.set()
    kept.handover.close()
    assert len(open_run(tmp_path).steps) == 100
    assert texts(said) == []


def test_closing_gives_up_on_a_disk_that_does_not_answer():
    release = threading.Event()
    worker = Worker(Failures())
    worker.submit("hanging", lambda: release.wait(30))
    worker.submit("waiting", lambda: None)
    assert not worker.close(each=0.05)
    assert not worker.submit("coming late", lambda: None)
    release.set()
    quick = Worker(Failures())
    quick.submit("something", lambda: None)
    assert quick.close()


def test_a_store_that_fails_at_first_is_tried_again_with_the_next_step(tmp_path, said):
    tries = []

    def opens():
        tries.append(1)
        if len(tries) < 3:
            raise OSError(5, "Input/output error")
        return RunWriter(tmp_path, INFO)

    kept = Kept(tmp_path, open_store=opens)
    kept.give(0, 1, 2)
    kept.handover.close()
    assert open_run(tmp_path).steps == (1, 2)
    first, last = texts(said)
    assert "while starting the recording: OSError: [Errno 5]" in first
    assert "2 of 3 steps" in last
    assert "1 because of OSError (Input/output error)" in last


def test_a_message_with_the_steps_file_in_it_is_said_once(tmp_path, said, monkeypatch):
    def full(self, name, data):  # noqa: ARG001
        raise OSError(28, "No space left on device", name)

    kept = Kept(tmp_path)
    kept.give(0)
    kept.settle()
    with monkeypatch.context() as patched:
        patched.setattr(LocalFolder, "write", full)
        kept.give(1, 2, 3)
        kept.settle()
    kept.give(4)
    kept.handover.close()
    assert open_run(tmp_path).steps == (0, 4)
    first, last = texts(said)
    assert "No space left on device: 'steps/0000000001-a0.zarr.zip'" in first
    assert "3 because of OSError (No space left on device)" in last


@pytest.mark.parametrize("gone", ["", "plugins", "plugins/attn_monitor/rank_0000"])
def test_a_folder_removed_during_a_run_is_said_and_later_steps_can_be_read(tmp_path, said, gone):
    kept = Kept(tmp_path / "run")
    kept.give(0, 1)
    kept.settle()
    watching = open_run(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / gone)
    kept.give(2, 3)
    kept.handover.close()
    run = open_run(tmp_path / "run")
    assert run.steps == (2, 3)
    assert run.problems == ()
    assert run.metric("prev", part="encoder").shape == (2, 2, 3)
    assert run.attention(step=3, probe=0, part="encoder", layer=0).shape == (3, 4, 4)
    watching.refresh()
    assert watching.steps == (2, 3)
    (text,) = texts(said)
    assert "was removed while training went on; 2 recorded steps are gone" in text


def test_a_description_removed_during_a_run_is_written_again(tmp_path, said):
    kept = Kept(tmp_path)
    kept.give(0)
    kept.settle()
    next(tmp_path.rglob("run.json")).unlink()
    kept.give(1)
    kept.handover.close()
    assert open_run(tmp_path).steps == (0, 1)
    assert texts(said) == []
