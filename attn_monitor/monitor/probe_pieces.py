"""What one attention call shows of one probe: its maps, and where the valid tokens are in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import groupby

Places = slice | list[int]


@dataclass(frozen=True, kw_only=True)  # no slots: what follows from the fields is kept
class Piece:
    """What one attention call shows of one probe in one layer of a part.

    Attributes:
        part: Name of the part.
        layer: Layer of it.
        first_head: Head of the layer that its first map is of.
        probe: Which probe of the batch.
        matrices: Its maps, counted along ``[sentence, head]`` of the record.
        queries: Places of the valid queries.
        keys: Places of the valid keys.
        shape: Sentences, heads, queries and keys of the record, padding included.
    """

    part: str
    layer: int
    first_head: int
    probe: int
    matrices: tuple[int, ...]
    queries: tuple[int, ...]
    keys: tuple[int, ...]
    shape: tuple[int, int, int, int]

    def with_heads(self, heads: int) -> Piece | None:
        """Return the same sentence where its layer has fewer heads now; ``None`` if it cannot be.

        Args:
            heads: How many heads the record has.
        """
        sentences, before, queries, keys = self.shape
        first = self.matrices[0]
        whole = self.matrices == tuple(range(first, first + before)) and first % before == 0
        if not whole or heads > before:
            return None
        start = first // before * heads
        return replace(
            self,
            matrices=tuple(range(start, start + heads)),
            shape=(sentences, heads, queries, keys),
        )

    @cached_property
    def asking(self) -> Places:
        """Where the valid queries are."""
        return pick(self.queries)

    @cached_property
    def asked(self) -> Places:
        """Where the valid keys are."""
        return pick(self.keys)

    @cached_property
    def span(self) -> tuple[int, int]:
        """The first of its maps along ``[sentence, head]``, and the one after the last."""
        return min(self.matrices), max(self.matrices) + 1

    @cached_property
    def in_span(self) -> Places:
        """Which maps of :attr:`span` are its own."""
        return pick(tuple(matrix - self.span[0] for matrix in self.matrices))


@lru_cache(maxsize=1 << 10)
def runs_of(matrices: tuple[int, ...], heads: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return each sentence of a record that maps of it are of, with the heads in it.

    Args:
        matrices: The maps, counted along ``[sentence, head]``.
        heads: How many heads each sentence of the record has.
    """
    places = ((matrix // heads, matrix % heads) for matrix in matrices)
    runs = groupby(places, key=lambda place: place[0])
    return tuple((sentence, tuple(head for _, head in run)) for sentence, run in runs)


@lru_cache(maxsize=1 << 10)
def sharing(heads: tuple[int, ...], group: int) -> Places:
    """Return the places of what some heads use, where ``group`` heads in a row share it."""
    return pick(tuple(head // group for head in heads))


def pick(places: tuple[int, ...]) -> Places:
    """Return places as a slice, which copies nothing, where they are in a row."""
    first, end = places[0], places[-1] + 1
    return slice(first, end) if places == tuple(range(first, end)) else list(places)
