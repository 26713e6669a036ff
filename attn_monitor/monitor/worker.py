"""One background thread for what training need not wait for."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from attn_monitor.monitor.failures import Failures

PATIENCE = 0.5  # seconds that training waits for room, at most
WAITING_JOBS = 256
WAITING_BYTES = 128_000_000  # what waiting jobs may hold; two may wait whatever they hold
LAST_JOB = 60.0  # seconds that closing waits for one job, at most
LAST_JOBS = 300.0  # and for all of them

_Job = tuple[str, Callable[[], None], int]


class Worker:
    """Do jobs one after another in a thread; training never waits for them, nor sees their errors.

    An error costs its job. Anything stronger (``sys.exit``, which in a thread ends the thread) ends
    the worker: what waits is dropped, and no job is taken any more.
    """

    def __init__(self, failures: Failures, *, waiting_bytes: int = WAITING_BYTES) -> None:
        """Start the thread; up to ``waiting_bytes`` of jobs may wait for it."""
        self._failures = failures
        self._limit = waiting_bytes
        self._jobs: deque[_Job] = deque()
        self._held = 0
        self._done = 0
        self._stuck = -1  # how many jobs were done when one was last waited for in vain
        self._closing = False
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="attention-monitor", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether no job is taken any more."""
        return self._ended or not self._thread.is_alive()

    def submit(
        self, doing: str, job: Callable[[], None], *, weight: int = 0, within: float = PATIENCE
    ) -> bool:
        """Queue a job, waiting up to ``within`` seconds for room; return whether it was taken.

        After a wait in vain nothing is waited for until a job is done: a disk that hangs costs the
        training half a second, not half a second at every step.

        Args:
            doing: What the job does, as it continues "while ...".
            job: What to do.
            weight: Bytes that it holds until it is done.
            within: Seconds.
        """
        with self._changed:
            if self._stuck != self._done:
                self._changed.wait_for(lambda: self.ended or self._has_room(weight), within)
            if self.ended or not self._has_room(weight):
                self._stuck = self._done
                return False
            self._jobs.append((doing, job, weight))
            self._held += weight
            self._changed.notify_all()
            return True

    def close(self, *, each: float = LAST_JOB, altogether: float = LAST_JOBS) -> bool:
        """Finish every job and end the thread; return whether none had to be given up.

        Args:
            each: Seconds to wait for one job: a disk that hangs must not keep a process alive.
            altogether: Seconds to wait for all of them.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        end = time.monotonic() + altogether
        while self._thread.is_alive():
            done = self._done
            self._thread.join(max(0.0, min(each, end - time.monotonic())))
            if self._thread.is_alive() and (self._done == done or time.monotonic() >= end):
                break
        in_time = not self._thread.is_alive()
        self._end()
        return in_time

    def _has_room(self, weight: int) -> bool:
        waiting = len(self._jobs)
        fits = waiting < WAITING_JOBS and self._held + weight <= self._limit
        return fits or waiting < 2  # noqa: PLR2004 - see WAITING_BYTES

    def _run(self) -> None:
        while (item := self._next()) is not None:
            doing, job, weight = item
            del item
            try:
                with self._failures.contained(doing):
                    job()
            except BaseException as error:  # noqa: BLE001 - in a thread nobody else would say it
                self._end()
                what = f"{type(error).__name__}: {error}".rstrip(": ")
                self._failures.report(f"{what}. Recording ends here", doing=doing)
                return
            finally:
                del job
                with self._changed:
                    self._held -= weight
                    self._done += 1
                    self._changed.notify_all()

    def _next(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closing or self._ended)
            return self._jobs.popleft() if self._jobs else None

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._jobs.clear()
            self._changed.notify_all()
