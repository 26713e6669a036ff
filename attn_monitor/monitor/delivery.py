"""Watches the batches that a trainer delivers, and what its steps call with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from attn_monitor.monitor.calls import CallNotes
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.memory import CannotKeepError, dump_probes, load_probes, types_in
from attn_monitor.monitor.moving import copied
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.pool import Pool
from attn_monitor.monitor.probes import Side


@dataclass(slots=True)
class _UnderWay:
    side: Side
    number: int
    batch: object
    notes: CallNotes | None


class Delivery:
    """Keeps copies of batches as they pass by, until there are enough sentences.

    Args:
        options: What the user set.
        failures: Where problems are reported.
        training: Whether training batches will come.

    Attributes:
        pool: What was kept.
    """

    def __init__(self, options: MonitorOptions, failures: Failures, *, training: bool) -> None:
        self.pool = Pool(options, training=training)
        self._options = options
        self._remembered: list[dict[str, Any]] = []
        self._types: dict[str, type] = {}
        self._notes_calls = options.replay is None
        self._failures = failures
        self._under_way: _UnderWay | None = None

    def begins(self, side: Side, number: int, batch: object, model: nn.Module | None) -> None:
        """Take note of a batch that the model's step gets next.

        Args:
            side: Which loader it comes from.
            number: Its number in the loader.
            batch: The batch.
            model: The model; ``None`` if the step gets other batches as well.
        """
        self.ended()
        self._remember(batch)
        if not self.pool.wants(side, number):
            return
        with self._failures.contained("keeping a batch that was delivered"):
            notes = CallNotes(model, batch) if model is not None and self._notes_calls else None
            self._under_way = _UnderWay(side, number, copied(batch), notes)
            if notes is not None:
                notes.start()

    @property
    def idle(self) -> bool:
        """Whether no more batches are wanted."""
        return not self._remembered and not any(self.pool.lacking(s) for s in ("val", "train"))

    def state(self) -> list[dict[str, Any]]:
        """Return the probes for a checkpoint."""
        return self._remembered or dump_probes(self.pool.chosen)

    def resume(self, state: list[dict[str, Any]]) -> None:
        """Take the probes of a checkpoint, as soon as a batch shows what they are made of."""
        self._remembered = state

    def _remember(self, batch: object) -> None:
        if not self._remembered:
            return
        self._types.update(types_in(batch))
        try:
            self.pool.restore(load_probes(self._remembered, self._types, self._options))
            self._remembered = []
        except CannotKeepError:  # made of what only batches of the other loader are made of
            return
        except Exception as error:  # noqa: BLE001  # an odd checkpoint must not end a training
            self._remembered = []
            self._failures.report(
                f"{type(error).__name__}: {error}; other sentences are chosen",
                doing="restoring the probes of a checkpoint",
            )

    def ended(self) -> None:
        """Keep the batch that is under way: its step has run."""
        found, self._under_way = self._under_way, None
        if found is None:
            return
        calls = () if found.notes is None else found.notes.stop()
        try:
            self.pool.keep(found.side, found.number, found.batch, calls)
        except Exception as error:  # noqa: BLE001  # whatever it is, the training goes on
            self.pool.leave_out(found.side)
            which = "validation" if found.side == "val" else "training"
            self._failures.report(
                f"{type(error).__name__}: {error}", doing=f"reading a {which} batch"
            )


def first_of_several(loader: object, batch: object) -> tuple[object, bool]:
    """Return what the first of several training loaders gave, and whether there are several."""
    loaders = getattr(loader, "iterables", loader)  # of a CombinedLoader
    if isinstance(loaders, Mapping) and isinstance(batch, Mapping) and loaders:
        if loaders.keys() != batch.keys():
            return batch, False
        first = next(iter(loaders))
        return first_of_several(loaders[first], batch[first])[0], True
    if not (isinstance(loaders, list | tuple) and isinstance(batch, list | tuple) and loaders):
        return batch, False
    if len(loaders) != len(batch):
        return batch, False
    return first_of_several(loaders[0], batch[0])[0], True
