"""Replays of a probe batch in which some heads are silent, and whether every one of them was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from attn_monitor.capture import AttentionCapture, Record, capture
from attn_monitor.capture.muting import Call, Muting
from attn_monitor.capture.tracer import Sink
from attn_monitor.core.nouns import HeadId
from attn_monitor.monitor.layout import Layout


@dataclass(slots=True, kw_only=True)
class Silence:
    """What was to be silent in one replay.

    Attributes:
        wanted: Attention call -> its silent maps, counted along ``[sentence, head]``.
        muting: Silences them.
        records: How many maps each module gave.
    """

    wanted: dict[Call, set[int]]
    muting: Muting
    records: Counter[str] = field(default_factory=Counter)

    @property
    def complete(self) -> bool:
        """Whether something was to be silent, and all of it was."""
        muting = self.muting
        # Where calls are put together to one map, a call's number is not that of its map.
        one_by_one = all(muting.seen[name] == self.records[name] for name, _ in self.wanted)
        return bool(self.wanted) and one_by_one and muting.done == self.wanted.keys()


@contextmanager
def muted(
    model: nn.Module,
    layout: Layout,
    number: int,
    heads: Collection[HeadId],
    sink: Sink = lambda _: None,
) -> Iterator[tuple[AttentionCapture, Silence]]:
    """Capture a replay of the batch of that number with some heads silent."""
    wanted = _maps_of(layout, number, heads)
    muting = Muting(wanted, frozenset(module for module, _ in layout.pieces[number]))
    silence = Silence(wanted=wanted, muting=muting)

    def note(record: Record) -> None:
        silence.records[muting.named(record.module)] += 1
        sink(record)

    with capture(model, sink=note, verify=False, muting=muting) as attention:
        yield attention, silence


@contextmanager
def slow_path() -> Iterator[None]:
    """Keep encoder layers off the kernels that project before anything can be muted."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _maps_of(layout: Layout, number: int, heads: Collection[HeadId]) -> dict[Call, set[int]]:
    """Return the maps of one batch that belong to some heads, of all of its sentences."""
    wanted: dict[Call, set[int]] = {}
    chosen = set(heads)
    for call, pieces in layout.pieces[number].items() if chosen else ():
        for piece in pieces:
            sentences, count = piece.shape[:2]
            start = piece.matrices[0] // count * count
            whole = piece.matrices == tuple(range(start, start + count))
            for place, matrix in enumerate(piece.matrices):
                if HeadId(piece.part, piece.layer, piece.first_head + place) in chosen:
                    every = range(matrix % count, sentences * count, count)
                    wanted.setdefault(call, set()).update(every if whole else (matrix,))
    return wanted
