"""One background thread for what training need not wait for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from attn_monitor.monitor.failures import Failures

WAITING = 2  # recorded steps held in memory at most; a slower disk then slows recording down


class Worker:
    """Do jobs one after another in a thread; their errors are counted, never raised."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._jobs: queue.Queue[tuple[str, Callable[[], None]] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="attention-monitor", daemon=True)
        self._thread.start()

    def submit(self, doing: str, job: Callable[[], None]) -> None:
        """Queue a job; waits while the queue is full."""
        self._jobs.put((doing, job))

    def close(self) -> None:
        """Finish every job and end the thread."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            doing, job = item
            with self._failures.contained(doing):
                job()
