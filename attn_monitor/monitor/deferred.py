"""Metrics that wait until somebody other than the training loop has time for them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis import MetricSet
from attn_monitor.core.maps import Maps, MapsByRows

WAITING_BYTES = 64_000_000  # maps of one step held back; beyond that they are reduced at once


@dataclass(slots=True)
class Deferred:
    """Maps of one step, each with the place its metrics belong to.

    Copying a map takes microseconds and reducing it to metrics a hundred times as long, so the
    training thread copies and the recording thread reduces. Long sentences and large models
    would hold too much memory this way; beyond ``limit`` bytes metrics are computed on arrival.
    """

    metrics: MetricSet
    limit: int = WAITING_BYTES
    _waiting: list[tuple[Maps, Float[np.ndarray, "head metric"]]] = field(default_factory=list)
    _held: int = 0

    @property
    def nbytes(self) -> int:
        """Memory that the maps which wait hold, in bytes."""
        return self._held

    def add(self, maps: Maps, table: Float[np.ndarray, "head metric"]) -> None:
        """Promise the metrics of ``maps`` in ``table``, a view of where they are wanted."""
        if isinstance(maps, MapsByRows):  # its rows can be made while the model runs only
            table[:] = self.metrics.compute(maps)
            return
        self._held += maps.attn.nbytes
        if self._held > self.limit:
            self._held -= maps.attn.nbytes
            table[:] = self.metrics.compute(maps)
        else:
            self._waiting.append((maps, table))

    def finish(self) -> None:
        """Keep every promise; may run in any thread, once.

        Raises:
            Exception: The first error of a metric, after all other places were filled.
        """
        waiting, self._waiting = self._waiting, []
        failed: list[Exception] = []
        try:
            found = self.metrics.compute_each([maps for maps, _ in waiting])
        except Exception:  # noqa: BLE001  # a metric may be the user's own: each by itself then
            found = []
        for at, (maps, table) in enumerate(waiting):
            try:
                table[:] = found[at] if found else self.metrics.compute(maps)
            except Exception as error:  # noqa: BLE001
                failed.append(error)
        if failed:
            raise failed[0]
