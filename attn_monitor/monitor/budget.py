"""What is kept of each probe, so that one recorded step fits its bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from attn_monitor.core.kept import Kept, stretch_length
from attn_monitor.core.nouns import Part, Probe

CELLS: Final = 64  # of coarse maps, along each axis
_WINDOWS: Final = (1024, 512, 256, 128, 64, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is written of every probe.

    Attributes:
        kept: One entry per probe, at its index.
        size: Bytes per step, uncompressed.
    """

    kept: tuple[Kept, ...]
    size: int

    @property
    def whole(self) -> int:
        """How many probes keep every weight."""
        return sum(kept.form == "whole" for kept in self.kept)

    @property
    def vectors(self) -> int:
        """How many probes keep queries, keys and values."""
        return sum(kept.vectors for kept in self.kept)

    @property
    def empty(self) -> bool:
        """No probe keeps any maps."""
        return all(kept.form == "metrics" for kept in self.kept)


def keep_within(
    budget: int, parts: Sequence[Part], probes: Sequence[Probe], widths: Mapping[str, int]
) -> Plan:
    """Choose what fits ``budget`` bytes; metrics are computed on all probes anyway.

    Validation and training probes take turns, so that a small budget still holds both. First each
    of them gets coarse maps (a short sentence: its maps); then, in the same order, whole maps,
    as far as they fit. Lens probes follow, with vectors and maps or with vectors alone. What is
    left is spent on windows, the largest that fits each probe. Where not even one probe's coarse
    maps fit, the first one keeps them of fewer layers, then of fewer heads.

    Args:
        budget: Bytes per recorded step, one byte per weight and two per vector entry.
        parts: The streams of attention.
        probes: The sentences; each one's index is its position.
        widths: Vector entries per token and head in each part.
    """
    books = _Books(budget, parts, probes, widths)
    turns = _turns(probes)
    for probe in turns:
        books.upgrade(probe, [books.smallest(probe)])
    for probe in turns:
        books.upgrade(probe, [Kept(probe=probe.index, form="whole")])
    for probe in (p for p in probes if p.split == "lens"):
        vectors = Kept(probe=probe.index, form="metrics", vectors=True)
        books.upgrade(probe, [replace(vectors, form="whole"), vectors])
    for probe in turns:
        books.upgrade(probe, books.windows(probe))
    if turns and all(kept.form == "metrics" for kept in books.kept):
        books.upgrade(turns[0], books.remnants(turns[0]))
    return Plan(kept=tuple(books.kept), size=sum(books.sizes))


def _turns(probes: Sequence[Probe]) -> list[Probe]:
    groups = [[p for p in probes if p.split == split] for split in ("val", "train")]
    longest = max(map(len, groups))
    return [group[at] for at in range(longest) for group in groups if at < len(group)]


class _Books:
    """What every probe has so far, and what that costs."""

    def __init__(
        self,
        budget: int,
        parts: Sequence[Part],
        probes: Sequence[Probe],
        widths: Mapping[str, int],
    ) -> None:
        self.budget, self.parts, self.probes, self.widths = budget, parts, probes, widths
        self.kept = [Kept(probe=probe.index, form="metrics") for probe in probes]
        self.sizes = [0] * len(probes)

    def upgrade(self, probe: Probe, forms: Iterable[Kept]) -> None:
        """Give the probe the first of ``forms`` that fits and is more than it has."""
        left = self.budget - sum(self.sizes)
        for form in forms:
            size = self._bytes(form, probe)
            if self.sizes[probe.index] < size <= self.sizes[probe.index] + left:
                self.kept[probe.index], self.sizes[probe.index] = form, size
                return

    def smallest(self, probe: Probe) -> Kept:
        """Return coarse maps, or the maps where these are no larger."""
        whole = Kept(probe=probe.index, form="whole")
        coarse = replace(whole, form="thumbnail", cells=CELLS)
        return min(whole, coarse, key=lambda form: self._bytes(form, probe))

    def windows(self, probe: Probe) -> list[Kept]:
        """Return the windows that a probe with coarse maps may have, largest first."""
        kept = self.kept[probe.index]
        if kept.form != "thumbnail":
            return []
        longest = max(max(map(len, probe.axes(part))) for part in self.parts)
        return [replace(kept, form="window", window=w) for w in _WINDOWS if w < longest]

    def remnants(self, probe: Probe) -> Iterator[Kept]:
        """Yield coarse maps of ever fewer layers, then of ever fewer heads of one layer."""
        form = Kept(probe=probe.index, form="thumbnail", cells=CELLS)
        for layers in range(max(len(part.layers) for part in self.parts) - 1, 0, -1):
            yield replace(form, layers=layers)
        for heads in range(max(part.heads for part in self.parts) - 1, 0, -1):
            yield replace(form, layers=1, heads=heads)

    def _bytes(self, form: Kept, probe: Probe) -> int:
        return step_bytes(form, self.parts, probe, self.widths)


def step_bytes(kept: Kept, parts: Sequence[Part], probe: Probe, widths: Mapping[str, int]) -> int:
    """Return the bytes that a probe takes in a step's file, before compression."""
    size = 0
    for part in parts:
        queries, keys = map(len, probe.axes(part))
        layers = len(part.layers)
        if kept.form == "whole":
            size += layers * part.heads * _map_bytes(queries, keys)
        if kept.window:
            corner = min(queries, kept.window), min(keys, kept.window)
            size += layers * part.heads * _map_bytes(*corner)
        if kept.cells:
            chosen = _at_most(kept.layers, layers) * _at_most(kept.heads, part.heads)
            length = stretch_length(queries, keys, kept.cells)
            size += chosen * _map_bytes(-(-queries // length), -(-keys // length))
        if kept.vectors:
            size += 2 * layers * part.heads * (queries + 2 * keys) * widths.get(part.name, 0)
    return size


def _map_bytes(queries: int, keys: int) -> int:
    return queries * (keys + 2)


def _at_most(count: int | None, available: int) -> int:
    return available if count is None else min(count, available)
