"""One sentence of one attention call, without its padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from attn_monitor.monitor.head_sizes import SizeTable

LARGEST_LAYER: Final = 1 << 22  # weights of one layer and sentence that may exist at once: 16 MB


@dataclass(frozen=True, slots=True)
class View:
    """One sentence of one record, cropped to its valid tokens.

    Attributes:
        record: What the attention call did with a padded batch.
        part: The stream it belongs to.
        probe: The sentence.
        piece: Which maps of the record are of this sentence, and where its tokens are.
        sizes: How large what the record's heads handle is; ``None`` where nobody looked.
    """

    record: Record
    part: Part
    probe: Probe
    piece: Piece
    sizes: SizeTable | None

    def maps(self) -> Maps:
        """Return the maps; those of a large layer are made a few rows at a time, now and here."""
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
        large = MapsByRows(
            shape=shape,
            rows=rows,
            causal=self.part.causal,
            cross=self.part.kind == "cross" or asking != asked,
            special=asked.special,
            key_tokens=asked.text,
            logit_max=None if self.sizes is None else self.sizes.logit_max(piece),
            sizes=None
            if self.sizes is None
            else self.sizes.of(piece, self.part.layers[piece.layer].heads),
        )
        return large if np.prod(shape) > LARGEST_LAYER else large.held()

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
            to_numpy(shared[at])[[head // group for head in heads]][:, tokens]
            for at, heads in self._places()
        ]
        return np.concatenate(blocks)

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
