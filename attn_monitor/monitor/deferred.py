"""What waits until somebody other than the training loop has time for it: calls, and metrics."""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float

from attn_monitor.analysis import MetricSet
from attn_monitor.capture import Record
from attn_monitor.capture.copies import bytes_of_copy, copied
from attn_monitor.core.maps import Maps, MapsByRows

WAITING_BYTES = 64_000_000  # maps of one step held back; beyond that they are reduced at once
WAITING_CALLS = 192_000_000  # what entered its attention calls; beyond that they are read at once
Look = Callable[[Record], None]


_LAST_LOOK = 10.0  # seconds


class _Turn:
    """Lets the process end between two calls only.

    A thread that is inside of torch when the interpreter ends takes the whole process down with
    it. At exit the turn is taken and kept: what waits for it then waits for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ending = False

    def __enter__(self) -> None:
        """Take the turn."""
        if self._ending:  # else this thread could take it again before the one that ends
            threading.Event().wait()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self._lock.release()

    def renew(self) -> None:
        """Begin anew, in a process that was forked while another thread had the turn."""
        self._lock = threading.Lock()

    def keep(self) -> None:
        """Take it for good, once the call that is looked at is done."""
        self._ending = True
        self._lock.acquire(timeout=_LAST_LOOK)


_TURN = _Turn()
atexit.register(_TURN.keep)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_TURN.renew)


@dataclass(slots=True)
class Calls:
    """Attention calls of one step that are looked at later, in the order in which they came.

    What entered a fused call is copied by the training thread; making maps of it takes several
    times as long. Beyond ``limit`` bytes, and where a call can be read now only, it is.
    """

    limit: int = WAITING_CALLS
    _waiting: deque[tuple[Record, Look, int]] = field(default_factory=deque)
    _held: int = 0

    def __len__(self) -> int:
        """Return how many calls wait."""
        return len(self._waiting)

    @property
    def nbytes(self) -> int:
        """Memory that the copies hold, in bytes."""
        return self._held

    def add(self, record: Record, look: Look) -> None:
        """Have ``look`` called with ``record`` now, or later with a copy of it."""
        size = bytes_of_copy(record)
        if size is None or self._held + size > self.limit:
            look(record)
            return
        self._held += size
        self._waiting.append((copied(record), look, size))

    def forget(self, most: int) -> None:
        """Let go of the calls that came after the first ``most``."""
        while len(self._waiting) > most:
            self._held -= self._waiting.pop()[2]

    def finish(self) -> None:
        """Look at every call; may run in any thread, once.

        Raises:
            Exception: The first error, after all other calls were looked at.
        """
        failed: list[Exception] = []
        while self._waiting:
            with _TURN:
                self._look(failed)
        if failed:
            raise failed[0]

    def _look(self, failed: list[Exception]) -> None:
        """Look at the next call, and let go of it."""
        record, look, size = self._waiting.popleft()
        try:
            with torch.no_grad():
                look(record)
        except Exception as error:  # noqa: BLE001  # one call costs no other its maps
            failed.append(error)
        self._held -= size


@dataclass(frozen=True, slots=True)
class _Promise:
    """Maps, what adds the sizes that they lack, and where their metrics belong."""

    maps: Maps
    sized: Callable[[Maps], Maps] | None
    table: Float[np.ndarray, "head metric"]

    def whole(self) -> Maps:
        return self.maps if self.sized is None else self.sized(self.maps)


@dataclass(slots=True)
class Deferred:
    """Maps of one step, each with the place its metrics belong to.

    Copying a map takes microseconds and reducing it to metrics a hundred times as long, so the
    training thread copies and the recording thread reduces. Long sentences and large models
    would hold too much memory this way; beyond ``limit`` bytes metrics are computed on arrival.
    Maps that somebody keeps anyway are neither copied nor counted.
    """

    metrics: MetricSet
    limit: int = WAITING_BYTES
    _waiting: list[_Promise] = field(default_factory=list)
    _held: int = 0

    @property
    def nbytes(self) -> int:
        """Memory that the copies of maps hold, in bytes."""
        return self._held

    def add(
        self,
        maps: Maps,
        table: Float[np.ndarray, "head metric"],
        *,
        sized: Callable[[Maps], Maps] | None = None,
        kept: Float[np.ndarray, "head query key"] | None = None,
    ) -> None:
        """Promise the metrics of ``maps`` in ``table``, a view of where they are wanted.

        Args:
            maps: The maps; they need not stay what they are.
            table: Where their metrics are wanted.
            sized: Adds the sizes that maps in memory lack, when their metrics are computed.
            kept: The same maps where they lie until then, if somebody keeps them.
        """
        if isinstance(maps, MapsByRows):  # its rows can be made while the model runs only
            table[:] = self.metrics.compute(maps)
            return
        size = maps.attn.nbytes if kept is None else 0
        if self._held + size > self.limit:
            table[:] = self.metrics.compute(_Promise(maps, sized, table).whole())
            return
        self._held += size
        own = replace(maps, attn=maps.attn.copy() if kept is None else kept)
        self._waiting.append(_Promise(own, sized, table))

    def finish(self) -> None:
        """Keep every promise; may run in any thread, once.

        Raises:
            Exception: The first error of a metric, after all other places were filled.
        """
        waiting, self._waiting = self._waiting, []
        failed: list[Exception] = []
        try:
            found = self.metrics.compute_each([promise.whole() for promise in waiting])
        except Exception:  # noqa: BLE001  # a metric may be the user's own: each by itself then
            found = []
        for at, promise in enumerate(waiting):
            try:
                computed = found[at] if found else self.metrics.compute(promise.whole())
                promise.table[:] = computed
            except Exception as error:  # noqa: BLE001
                failed.append(error)
        if failed:
            raise failed[0]
