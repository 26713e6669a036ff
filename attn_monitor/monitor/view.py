"""One sentence of one attention call, without its padding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from attn_monitor.capture import Record
from attn_monitor.capture.tensors import to_numpy
from attn_monitor.core.maps import Maps, MapsByRows
from attn_monitor.core.nouns import Part, Probe
from attn_monitor.monitor.head_sizes import LARGEST_LAYER, SizeTable
from attn_monitor.monitor.probe_pieces import Piece, Places, runs_of, sharing

TOGETHER: Final = 1 << 19  # weights that are made together: two megabytes, in the cache


@dataclass(slots=True)
class Stack:
    """What one record holds, as arrays, of several sentences at a time.

    Short sentences would take longer to ask for one by one than to make.

    Attributes:
        record: The record.
        made: All of its weights, where somebody made them already.
    """

    record: Record
    made: InitVar[Tensor | None] = None
    _first: int = 0
    _maps: Float[np.ndarray, "matrix query key"] | None = None
    _defined: bool = True
    _sides: dict[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self, made: Tensor | None) -> None:
        if made is not None:
            self._take(to_numpy(made.flatten(0, 1)), 0)

    def of(self, piece: Piece) -> Float[np.ndarray, "matrix query key"] | None:
        """Return the maps of a sentence, padding included, not to be kept.

        ``None`` if they would take too much memory.
        """
        sentences, heads, queries, keys = self.record.shape
        low, high = piece.span
        maps = self._maps
        if maps is None or low < self._first or high > self._first + len(maps):
            each = heads * queries * keys
            start, end = low // heads, -(-high // heads)
            if (end - start) * each > LARGEST_LAYER:
                self._defined = False  # as far as anybody knows
                return None
            end = min(sentences, max(end, start + TOGETHER // each))
            maps = to_numpy(self.record.weights(slice(start, end))).reshape(-1, queries, keys)
            self._take(maps, start * heads)
        found: np.ndarray = maps[low - self._first : high - self._first][piece.in_span]
        return found

    def undefined(self, maps: Maps) -> bool:
        """Return whether some maps that :meth:`of` returned have a NaN."""
        return not self._defined and bool(np.isnan(maps.attn.sum()))

    def side(self, shared: Tensor, sentence: int) -> Float[np.ndarray, "head token width"]:
        """Return the queries, keys or values of one sentence, not to be kept."""
        if shared.numel() > LARGEST_LAYER:
            return to_numpy(shared[sentence])
        if id(shared) not in self._sides:
            self._sides[id(shared)] = to_numpy(shared)
        found: np.ndarray = self._sides[id(shared)][sentence]
        return found

    def _take(self, maps: Float[np.ndarray, "matrix query key"], first: int) -> None:
        self._maps, self._first = maps, first
        self._defined = not np.isnan(maps.sum())


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

        Maps in memory are not to be kept, and come without sizes: see :attr:`sized`.
        """
        piece = self.piece
        shape = len(piece.matrices), len(piece.queries), len(piece.keys)
        queries, keys = piece.asking, piece.asked
        asking, asked = self.probe.axes(self.part)
        same = asking is asked or asking == asked
        facts: dict[str, Any] = {
            "causal": self.part.causal,
            "cross": self.part.kind == "cross" or not same,
            "special": asked.special,
            "key_tokens": asked.text,
            "documents": asked.documents if same else (),
        }
        small = math.prod(shape) <= LARGEST_LAYER
        stacked = self.stack.of(piece) if small else None
        if stacked is not None:
            return Maps(attn=stacked[:, queries][:, :, keys], **facts)

        def rows(first: int, end: int) -> Float[np.ndarray, "head rows key"]:
            chosen = (
                slice(queries.start + first, queries.start + end)
                if isinstance(queries, slice)
                else queries[first:end]
            )
            blocks = [
                to_numpy(self.record.weights(slice(at, at + 1), sharing(heads, 1), chosen)[0])
                for at, heads in runs_of(piece.matrices, self.record.heads)
            ]
            joined = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
            found: np.ndarray = joined[:, :, keys]
            return found

        large = MapsByRows(
            shape=shape,
            rows=rows,
            logit_max=None if self.sizes is None or small else self.sizes.logit_max(piece),
            sizes=None if self.sizes is None or small else self.sizes.of(piece, self._heads),
            **facts,
        )
        return large.held() if small else large

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
        return (
            self._stacked(record.query, piece.asking),
            self._stacked(record.key, piece.asked),
            self._stacked(record.value, piece.asked),
        )

    def _stacked(self, shared: Tensor, tokens: Places) -> Float[np.ndarray, "head t d"]:
        group = self.record.heads // shared.shape[1]
        blocks = [
            self.stack.side(shared, at)[sharing(heads, group)][:, tokens]
            for at, heads in runs_of(self.piece.matrices, self.record.heads)
        ]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
