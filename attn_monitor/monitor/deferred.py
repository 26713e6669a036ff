"""Metrics that wait until somebody other than the training loop has time for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis import MetricSet
from attn_monitor.core.maps import Maps, MapsByRows

WAITING_BYTES = 64_000_000  # maps of one step held back; beyond that they are reduced at once


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
    """

    metrics: MetricSet
    limit: int = WAITING_BYTES
    _waiting: list[_Promise] = field(default_factory=list)
    _held: int = 0

    @property
    def nbytes(self) -> int:
        """Memory that the maps which wait hold, in bytes."""
        return self._held

    def add(
        self,
        maps: Maps,
        table: Float[np.ndarray, "head metric"],
        *,
        sized: Callable[[Maps], Maps] | None = None,
    ) -> None:
        """Promise the metrics of ``maps`` in ``table``, a view of where they are wanted.

        Args:
            maps: The maps.
            table: Where their metrics are wanted.
            sized: Adds the sizes that maps in memory lack, when their metrics are computed.
        """
        promise = _Promise(maps, sized, table)
        if isinstance(maps, MapsByRows):  # its rows can be made while the model runs only
            table[:] = self.metrics.compute(maps)
            return
        self._held += maps.attn.nbytes
        if self._held > self.limit:
            self._held -= maps.attn.nbytes
            table[:] = self.metrics.compute(promise.whole())
        else:
            self._waiting.append(promise)

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
