"""How often something costly may be done: a share of the time that passes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pace:
    """Let work happen as long as it stays below a share of the wall time.

    After work that took ``d`` seconds, :meth:`due` is false for ``d / share`` seconds.

    Args:
        share: Largest part of the time, 0..1.
        clock: Seconds that only grow.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._share = share
        self._clock = clock
        self._next = -float("inf")

    def due(self) -> bool:
        """Return whether the work may be done now."""
        return self._clock() >= self._next

    @contextmanager
    def working(self) -> Iterator[None]:
        """Measure the work done inside."""
        start = self._clock()
        yield
        self._next = start + (self._clock() - start) / self._share
