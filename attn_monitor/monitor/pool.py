"""The batches that a trainer delivers anyway, kept until there are enough sentences in them.

Nothing of the user's loaders, samplers, datasets or files is read for the monitor: what passes by
in the sanity check, in the first validation and in the first training steps is copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from attn_monitor.core.nouns import Split
from attn_monitor.monitor.calls import ModuleCall
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.probes import (
    SIDES,
    Kept,
    ProbeBatch,
    Side,
    own_probes,
    probe_batches,
    read,
    wanted,
)


class Pool:
    """Sentences of delivered batches, and which of them are probes.

    Of each batch the sentences are taken in an order that the seed decides; once chosen, a
    sentence keeps its place, and later ones only follow it.

    Args:
        options: How many sentences, the seed, and how to read a batch.
        training: Whether training batches will come.
    """

    def __init__(self, options: MonitorOptions, *, training: bool) -> None:
        self._options = options
        self._wanted = wanted(options, training=training)
        self._had: dict[Split, int] = dict.fromkeys(self._wanted, 0)
        self._waiting: dict[Side, list[tuple[Kept, list[int]]]] = {"val": [], "train": []}
        self._seen: dict[Side, set[int]] = {"val": set(), "train": set()}
        self._left_out: set[Side] = set()
        forward = options.replay is None
        self._chosen: list[ProbeBatch] = list(own_probes(options, forward=forward))

    def wants(self, side: Side, batch_idx: int) -> bool:
        """Return whether this batch of a loader is still needed."""
        if side in self._left_out or batch_idx in self._seen[side]:
            return False
        return self.lacking(side) > 0

    def lacking(self, side: Side) -> int:
        """Return how many sentences of a side are still missing."""
        missing = sum(
            max(count - self._had[split], 0)
            for split, count in self._wanted.items()
            if SIDES[split] == side
        )
        return max(missing - sum(len(rows) for _, rows in self._waiting[side]), 0)

    def leave_out(self, side: Side) -> None:
        """Ask for no more batches of a side."""
        self._left_out.add(side)
        self._waiting[side].clear()

    def keep(
        self, side: Side, batch_idx: int, batch: object, calls: Sequence[ModuleCall] = ()
    ) -> None:
        """Keep a copy of a batch, with what the step called with it.

        Raises:
            BatchNotUnderstoodError: Its tokens could not be found.
        """
        kept = Kept(batch=batch, tokens=read(batch, self._options), calls=tuple(calls))
        self._seen[side].add(batch_idx)
        order = np.random.default_rng((self._options.seed, batch_idx, side == "train"))
        rows = [kept.filled[i] for i in order.permutation(len(kept.filled))]
        self._waiting[side].append((kept, rows[: self.lacking(side)]))

    @property
    def growing(self) -> bool:
        """Whether there are sentences that :meth:`probes` has not returned yet."""
        return any(rows for queue in self._waiting.values() for _, rows in queue)

    def probes(self) -> tuple[ProbeBatch, ...]:
        """Return the probes so far: those returned before, in the same places, and new ones."""
        for split, count in self._wanted.items():
            queue = self._waiting[SIDES[split]]
            while queue and self._had[split] < count:
                kept, rows = queue[0]
                some, rest = rows[: count - self._had[split]], rows[count - self._had[split] :]
                self._chosen += probe_batches(kept, split, some, self._options)
                self._had[split] += len(some)
                if rest:
                    queue[0] = kept, rest
                else:
                    queue.pop(0)
        return tuple(self._chosen)

    @property
    def chosen(self) -> tuple[ProbeBatch, ...]:
        """The probes that :meth:`probes` has returned, and that a loader delivered."""
        return tuple(batch for batch in self._chosen if not batch.own)

    def counts(self) -> Mapping[Side, tuple[int, int]]:
        """Return, per side, how many sentences were chosen and how many are wanted."""
        own = sum(len(batch.rows) for batch in self._chosen if batch.own)
        found: dict[Side, tuple[int, int]] = {"val": (own, own)}
        for split, count in self._wanted.items():
            had, total = found.get(SIDES[split], (0, 0))
            found[SIDES[split]] = had + self._had[split], total + count
        return found

    def restore(self, chosen: Sequence[ProbeBatch]) -> None:
        """Take up the choice of an earlier training that goes on now.

        What the user gives now is taken rather than what was given or drawn for it then.
        """
        own = [batch for batch in self._chosen if batch.own]
        chosen = [batch for batch in chosen if not (own and batch.split == "val")]
        self._chosen = [*own, *chosen]
        self._had = dict.fromkeys(self._wanted, 0)
        for batch in chosen:
            self._had[batch.split] = self._had.get(batch.split, 0) + len(batch.rows)
