"""How long a training waits when the disk is slow, full, gone or hangs: its longest batch.

    make stalls    (PYTHONPATH=.:tests python tests/reliability/stalls.py ["a hung fsync" ...])

A real training by Lightning under the monitor, with TensorBoard's logger; validations, new
sentences that join and readings of training batches all fall into it. Waiting is what passes
between two training batches while the training thread neither computes nor would like to: the
wall's time less the thread's own and less its wait for a processor, by Linux's ``schedstat``. What
remains on a busy machine is the interpreter's lock, as the first row shows. Losses and weights must
be those of a training without the monitor.
"""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import lightning as L
from tiny_lightning import Tiny, loaders, trainer, words

from attn_monitor import AttentionMonitor
from attn_monitor.core.errors import AttnMonitorError
from attn_monitor.monitor.alerts import Alerts
from attn_monitor.monitor.failures import AttentionMonitorWarning
from attn_monitor.monitor.worker import Worker
from attn_monitor.store import RunWriter, open_run
from attn_monitor.store.local import LocalFolder

MOST = 0.6  # seconds
EPOCHS, BEGINS, ENDS = 6, 6, 18  # of four batches; the batches between which the disk is bad
TRUE_FSYNC = os.fsync


def blocked():
    """Seconds that this thread has been neither running nor waiting for a processor."""
    running, waiting, _ = Path("/proc/thread-self/schedstat").read_text().split()
    return time.perf_counter() - (int(running) + int(waiting)) / 1e9


class Clock(L.Callback):
    """Measures what passes from one training batch to the next; starts and ends a fault."""

    def __init__(self, fault, where, *, begins):
        self._fault, self._where, self._begins = fault, where, begins
        self._stack, self._last = ExitStack(), None
        self.longest = 0.0

    def on_train_batch_start(self, trainer, *_):
        if self._last is not None:
            self.longest = max(self.longest, blocked() - self._last)
        if trainer.global_step == self._begins:
            self._stack.enter_context(self._fault(self._where))
        if trainer.global_step == ENDS:
            self._stack.close()
        self._last = blocked()


@contextmanager
def nothing(_where):
    yield


def slow(seconds):
    """Every flush to the disk takes as long."""

    @contextmanager
    def fault(_where):
        over = threading.Event()
        with mock.patch("os.fsync", lambda fd: (over.wait(seconds), TRUE_FSYNC(fd))[1]):
            yield
        over.set()

    return fault


def failing(operation, error, *, times=10**9):
    """An operation of the store fails, at most so many times."""

    @contextmanager
    def fault(_where):
        true, left = getattr(*operation), [times]

        def fails(*args, **options):
            left[0] -= 1
            if left[0] >= 0:
                raise error
            return true(*args, **options)

        with mock.patch.object(*operation, fails):
            yield

    return fault


def hanging(*operation):
    """An operation does not return while the disk is bad."""

    @contextmanager
    def fault(_where):
        over, true = threading.Event(), getattr(*operation)

        def hangs(*args, **options):
            over.wait()
            return true(*args, **options)

        with mock.patch.object(*operation, hangs):
            yield
        over.set()

    return fault


@contextmanager
def full(where):
    """A file takes what is left; where a disk of its own cannot be had, writing fails."""
    if not where.is_mount():
        with failing((LocalFolder, "write"), OSError(errno.ENOSPC, "No space left"))(where):
            yield
        return
    filler = where / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 512):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break
    yield
    filler.unlink()


@contextmanager
def deleted(where):
    for folder in where.rglob("plugins"):
        shutil.rmtree(folder)
    yield


@contextmanager
def a_file_instead(where):
    for folder in where.rglob("plugins"):
        shutil.rmtree(folder)
        folder.write_bytes(b"")
    yield
    for file in where.rglob("plugins"):
        file.unlink()


READING, WRITING = (LocalFolder, "read"), (LocalFolder, "write")
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")
IO = OSError(errno.EIO, "Input/output error")
FAULTS = {
    "none": (nothing, BEGINS),
    "every fsync takes 0.3 s": (slow(0.3), 0),
    "every fsync takes 12 s": (slow(12), BEGINS),
    "fsync hangs from the first batch": (hanging(os, "fsync"), 0),
    "fsync hangs": (hanging(os, "fsync"), BEGINS),
    "writing hangs": (hanging(*WRITING), BEGINS),
    "reading hangs": (hanging(LocalFolder, "read_log"), BEGINS),
    "a full disk": (full, BEGINS),
    "a full disk from the first batch": (full, 0),
    "a quota used up": (failing(WRITING, OSError(errno.EDQUOT, "Disk quota exceeded")), BEGINS),
    "appending fails": (failing((LocalFolder, "append_log"), NO_SPACE), BEGINS),
    "every operation fails (EIO)": (failing((LocalFolder, "_inside"), IO), BEGINS),
    "a read-only disk": (failing(WRITING, OSError(errno.EROFS, "Read-only file system")), BEGINS),
    "the recording deleted": (deleted, BEGINS),
    "a file where its folder was": (a_file_instead, BEGINS),
    "the store fails at the start": (failing((RunWriter, "__init__"), IO), 0),
    "sys.exit in the background": (failing((Alerts, "__call__"), SystemExit("on_signal")), BEGINS),
    "an interrupt in the background": (failing((Alerts, "__call__"), KeyboardInterrupt()), BEGINS),
    "out of memory in the background": (failing((Alerts, "__call__"), MemoryError()), BEGINS),
    "a dead background thread": (failing((Worker, "_next"), RuntimeError("died")), BEGINS),
}  # fmt: skip


def train(where, *callbacks):
    """Train; return losses and weights."""
    L.seed_everything(5, verbose=False)
    model = Tiny()
    trainer(where, *callbacks, epochs=EPOCHS).fit(model, *loaders())
    return model.losses, [weight.tolist() for weight in model.state_dict().values()]


@contextmanager
def disk():
    """A folder on a small disk of its own, if that may be had."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder]
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        try:
            yield Path(folder)
        finally:
            if mounted:
                subprocess.run(["umount", "-l", folder], check=True)


def stall(name, plain):
    """Return the row of a fault, and whether it holds."""
    fault, begins = FAULTS[name]
    with disk() as where, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        clock = Clock(fault, where, begins=begins)
        same = train(where, AttentionMonitor(tokens=words, watch=1), clock) == plain
        try:
            (event_file,) = where.rglob("events*")
            steps = len(open_run(event_file.parent).steps)
        except AttnMonitorError:
            steps = 0
    texts = [str(w.message) for w in said if w.category is AttentionMonitorWarning]
    last = next((text for text in texts if "steps were recorded" in text), "")
    kept = last.partition(": ")[2].partition("\n")[0] or f"{steps} steps, none dropped"
    holds = clock.longest <= MOST and same
    mark = "" if holds else " **fault**"
    equal = "identical" if same else "not identical"
    return f"| {name} | {clock.longest:.2f}{mark} | {equal} | {len(texts)} | {kept} |", holds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", default=list(FAULTS))
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*does not have many workers")
    with tempfile.TemporaryDirectory() as folder:
        plain = train(Path(folder))
        stall("none", plain)  # the first training imports, which is nobody's fault
    print("| fault | longest stall, s | losses and weights | messages | what was kept |")
    print("|---|---|---|---|---|")
    worst = True
    for name in options.faults:
        row, holds = stall(name, plain)
        print(row, flush=True)
        worst &= holds
    return 0 if worst else 1


if __name__ == "__main__":
    sys.exit(main())
