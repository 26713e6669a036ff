"""Where several documents stand in one row: no token reads across the border between two.

That is read off the weights themselves, whichever way the model was told: by positions that begin
anew, by lengths, by a mask in blocks or by the numbers of the documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Int

from attn_monitor.capture import Record
from attn_monitor.monitor.texts import Key

_AT_ONCE: Final = 1 << 22  # weights that exist at once
_MOST: Final = 1 << 28  # weights of one call that are looked at: half a second


@dataclass(frozen=True, slots=True)
class Reach:
    """The first and the last key that each query gives any weight, map by map.

    Attributes:
        first: Position of the first; the number of keys where a query gives none.
        last: Position of the last; -1 likewise.
    """

    first: Int[np.ndarray, "matrix token"]
    last: Int[np.ndarray, "matrix token"]

    @classmethod
    def of(cls, record: Record) -> Reach | None:
        """Return how far the queries of a record reach; ``None`` where there is no telling."""
        sentences, heads, queries, keys = record.shape
        each = heads * queries * keys
        no_row = record.windows > 1 or queries != keys or queries < 2  # noqa: PLR2004
        if no_row or not each or sentences * each > _MOST:
            return None
        step = max(1, _AT_ONCE // each)
        found = []
        for at in range(0, sentences, step):
            read = (record.weights(slice(at, at + step)) != 0).flatten(0, 1)  # NaN reads, too
            some = read.any(dim=-1)
            first = read.int().argmax(dim=-1).masked_fill(~some, keys)
            last = (keys - 1 - read.flip(-1).int().argmax(dim=-1)).masked_fill(~some, -1)
            found.append(torch.stack([first, last]).cpu().numpy())
        first, last = np.concatenate(found, axis=1)
        return cls(first, last)

    @property
    def may_part(self) -> bool:
        """Whether some query reads nothing before itself, as the first of a document does not."""
        own = np.arange(self.first.shape[1])
        return bool(((self.first >= own) & (self.first < len(own)))[:, 1:].any())

    def joined(self, other: Reach | None) -> Reach:
        """Return how far they reach in either of two passes."""
        if other is None or other.first.shape != self.first.shape:
            return self
        return Reach(np.minimum(self.first, other.first), np.maximum(self.last, other.last))

    def begins(self, matrices: Sequence[int], places: Sequence[int]) -> set[int]:
        """Return which of some tokens read nothing before them, nor does any later one.

        And no earlier one reads them or a later one.

        Args:
            matrices: The maps of one sentence, counted along ``[sentence, head]`` of the record.
            places: Where its valid tokens are.
        """
        at, maps = np.array(places), np.array(matrices)[:, None]
        first, last = self.first[maps, at].min(axis=0), self.last[maps, at].max(axis=0)
        nothing_before = np.minimum.accumulate(first[::-1])[::-1][1:] >= at[1:]
        nothing_after = np.maximum.accumulate(last)[:-1] < at[1:]
        return set((1 + np.flatnonzero(nothing_before & nothing_after)).tolist())


def documents_in(
    reaches: Iterable[tuple[Reach | None, Sequence[int]]], places: Sequence[int]
) -> tuple[int, ...]:
    """Return where documents begin, 0 first; nothing if there is one, or if nobody can tell.

    Args:
        reaches: How far the queries of every layer reach, and which maps of it are of the sentence.
        places: Where the valid tokens of the sentence are, along both axes.
    """
    common = set(range(1, len(places)))
    for reach, matrices in reaches:
        if reach is None or not common:
            return ()
        common &= reach.begins(matrices, places)
    alone = len(common) == len(places) - 1  # each token reads itself and nothing else
    return () if alone or not common else (0, *sorted(common))


def reaching(
    seen: Mapping[Key, Reach | None], other: Mapping[Key, Reach | None]
) -> dict[Key, Reach | None]:
    """Return how far the queries of all calls reach in either of two passes."""
    return {
        key: None if reach is None else reach.joined(other.get(key)) for key, reach in seen.items()
    }
