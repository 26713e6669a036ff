"""One sentence of one attention call, without its padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import InitVar, dataclass
from functools import partial
from itertools import groupby
from typing import Final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from attn_monitor.capture import Record
from attn_monitor.capture.tensors import to_numpy
from attn_monitor.core.maps import Maps, MapsByRows
from attn_monitor.core.nouns import Part, Probe
from attn_monitor.monitor.axes import Piece
from attn_monitor.monitor.head_sizes import LARGEST_LAYER, SizeTable

TOGETHER: Final = 1 << 19  # weights that are made together: two megabytes, in the cache


@dataclass(slots=True)
class Stack:
    """The maps of one record, made for several sentences at a time.

    Short sentences would take longer to ask for one by one than to make.

    Attributes:
        record: The record.
        made: All of its weights, where somebody made them already.
    """

    record: Record
    made: InitVar[Tensor | None] = None
    _first: int = 0
    _maps: Float[np.ndarray, "matrix query key"] | None = None

    def __post_init__(self, made: Tensor | None) -> None:
        if made is not None:
            self._maps = to_numpy(made.flatten(0, 1))

    def of(self, matrices: tuple[int, ...]) -> Float[np.ndarray, "matrix query key"] | None:
        """Return some maps, not to be kept; ``None`` if they would take too much memory."""
        sentences, heads, queries, keys = self.record.shape
        each = heads * queries * keys
        start, end = min(matrices) // heads, max(matrices) // heads + 1
        if (end - start) * each > LARGEST_LAYER:
            return None
        known = range(self._first, self._first + (0 if self._maps is None else len(self._maps)))
        if self._maps is None or min(matrices) not in known or max(matrices) not in known:
            end = min(sentences, max(end, start + TOGETHER // each))
            maps = to_numpy(self.record.weights(slice(start, end)))
            self._maps, self._first = maps.reshape(-1, queries, keys), start * heads
        found: np.ndarray = self._maps[_pick(tuple(m - self._first for m in matrices))]
        return found


@dataclass(frozen=True, slots=True)
class View:
    """One sentence of one record, cropped to its valid tokens.

    Attributes:
        record: What the attention call did with a padded batch.
        part: The stream it belongs to.
        probe: The sentence.
        piece: Which maps of the record are of this sentence, and where its tokens are.
        sizes: How large what the record's heads handle is; ``None`` where nobody looked.
        stack: The maps of the record.
    """

    record: Record
    part: Part
    probe: Probe
    piece: Piece
    sizes: SizeTable | None
    stack: Stack

    def maps(self) -> Maps:
        """Return the maps; those of a large layer are made a few rows at a time, now and here.

        Maps in memory come without sizes: see :attr:`sized`.
        """
        piece = self.piece
        shape = len(piece.matrices), len(piece.queries), len(piece.keys)
        queries, keys = _pick(piece.queries), _pick(piece.keys)

        def rows(first: int, end: int) -> Float[np.ndarray, "head rows key"]:
            chosen = (
                slice(queries.start + first, queries.start + end)
                if isinstance(queries, slice)
                else queries[first:end]
            )
            blocks = [
                to_numpy(self.record.weights(slice(at, at + 1), _pick(heads), chosen)[0])
                for at, heads in self._places()
            ]
            joined = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
            found: np.ndarray = joined[:, :, keys]
            return found

        asking, asked = self.probe.axes(self.part)
        at_once = self.sizes if np.prod(shape) > LARGEST_LAYER else None
        large = MapsByRows(
            shape=shape,
            rows=rows,
            causal=self.part.causal,
            cross=self.part.kind == "cross" or asking != asked,
            special=asked.special,
            key_tokens=asked.text,
            documents=asked.documents if asking == asked else (),
            logit_max=None if at_once is None else at_once.logit_max(piece),
            sizes=None if at_once is None else at_once.of(piece, self._heads),
        )
        if np.prod(shape) > LARGEST_LAYER:
            return large
        stacked = self.stack.of(piece.matrices)
        return large.held(None if stacked is None else stacked[:, queries][:, :, keys].copy())

    @property
    def sized(self) -> Callable[[Maps], Maps] | None:
        """What adds sizes to maps in memory, at any time later; ``None`` where nobody looked."""
        return None if self.sizes is None else partial(self.sizes.added, self.piece, self._heads)

    @property
    def _heads(self) -> int:
        return self.part.layers[self.piece.layer].heads

    def vectors(
        self,
    ) -> tuple[
        Float[np.ndarray, "head query d_head"],
        Float[np.ndarray, "head key d_head"],
        Float[np.ndarray, "head key d_value"],
    ]:
        """Return queries, keys and values; what a group of heads shares is repeated for each."""
        record, piece = self.record, self.piece
        queries, keys = _pick(piece.queries), _pick(piece.keys)
        return (
            self._stacked(record.query, queries),
            self._stacked(record.key, keys),
            self._stacked(record.value, keys),
        )

    def _stacked(self, shared: Tensor, tokens: slice | list[int]) -> Float[np.ndarray, "head t d"]:
        group = self.record.heads // shared.shape[1]
        blocks = [
            to_numpy(shared[at])[_pick(tuple(head // group for head in heads))][:, tokens]
            for at, heads in self._places()
        ]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def _places(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield a sentence of the record, and the heads in it, for each run of maps."""
        heads = self.record.heads
        places = ((m // heads, m % heads) for m in self.piece.matrices)
        for sentence, run in groupby(places, key=lambda place: place[0]):
            yield sentence, tuple(head for _, head in run)


def _pick(places: tuple[int, ...]) -> slice | list[int]:
    """Return places as a slice, which copies nothing, where they are in a row."""
    first, end = places[0], places[-1] + 1
    return slice(first, end) if places == tuple(range(first, end)) else list(places)
