"""What every head of a recorded step writes, and how large what it compares is, per sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attn_monitor.capture import Record
from attn_monitor.capture.sizes import output_factor, sizes_of
from attn_monitor.capture.tensors import to_numpy
from attn_monitor.core.maps import HeadSizes, Maps
from attn_monitor.monitor.probe_pieces import Piece

LARGEST_LAYER: Final = 1 << 22  # weights of one layer that may exist at once: 16 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeTable:
    """The sizes of one attention call, padding included; NaN where unknown.

    Attributes:
        rows: Of each query: reads, writes, norm of the query, largest and mean score.
        columns: Of each key: norm of the key and of the value.
        largest: The largest score, where only that of the whole sentence is known.
    """

    rows: Float[np.ndarray, "matrix query 5"]
    columns: Float[np.ndarray, "matrix key 2"]
    largest: Float[np.ndarray, " matrix"] | None

    def logit_max(self, piece: Piece) -> Float[np.ndarray, " head"] | None:
        """Return the largest score of each map of a sentence; ``None`` where it is hidden."""
        if self.largest is not None:
            return self.largest[list(piece.matrices)]
        found = self.rows[np.ix_(piece.matrices, piece.queries, [3])]
        return None if np.isnan(found).all() else np.asarray(found.max(axis=(1, 2)))

    def added(self, piece: Piece, heads: int, maps: Maps) -> Maps:
        """Return the maps of a sentence with its sizes; ``heads`` as in :meth:`of`."""
        return replace(maps, logit_max=self.logit_max(piece), sizes=self.of(piece, heads))

    def of(self, piece: Piece, heads: int) -> HeadSizes:
        """Return the means over the valid tokens of a sentence.

        Args:
            piece: The sentence.
            heads: How many heads its layer has: a share is known if all of them are here.
        """
        matrices = list(piece.matrices)
        rows = self.rows[np.ix_(matrices, piece.queries)].mean(axis=1)
        columns = self.columns[np.ix_(matrices, piece.keys)].mean(axis=1)
        # A query that sees no key has no mean score.
        scores = self.rows[np.ix_(matrices, piece.queries, [4])][..., 0]
        seen = np.isfinite(scores)
        count = seen.sum(axis=1)
        unknown = np.full(count.shape, np.nan)
        total = np.where(seen, scores, 0).sum(axis=1)
        mean = np.divide(total, count, out=unknown, where=count > 0)
        writes = rows[:, 1]
        total = writes.sum() if len(matrices) == heads else np.nan
        return HeadSizes(
            reads=rows[:, 0],
            writes=writes,
            writes_share=writes / total if total > 0 else np.full(len(writes), np.nan),
            query=rows[:, 2],
            key=columns[:, 0],
            value=columns[:, 1],
            logit_mean=mean,
        )


@dataclass(slots=True)
class Factors:
    """What the sizes of one step's calls need of each W_O; made once."""

    _made: dict[tuple[str, int], Tensor | None] = field(default_factory=dict)

    def of(self, record: Record) -> Tensor | None:
        """Return :func:`output_factor` of a call's layer."""
        key = record.module, record.call
        if key not in self._made:
            self._made[key] = output_factor(record)
        return self._made[key]


def read_sizes(record: Record, factor: Tensor | None) -> tuple[SizeTable, Tensor | None]:
    """Return the sizes of one call, and all of its weights if they were made on the way.

    Args:
        record: The call.
        factor: What :class:`Factors` has of its layer.
    """
    few = math.prod(record.shape) <= LARGEST_LAYER
    sizes = sizes_of(record, factor, keep=few)
    unknown = torch.full_like(sizes.reads, torch.nan)
    rows = [
        sizes.reads,
        unknown if sizes.writes is None else sizes.writes,
        sizes.query,
        unknown if sizes.largest is None else sizes.largest,
        unknown if sizes.mean is None else sizes.mean,
    ]
    top = record.logit_max() if sizes.largest is None else None
    table = SizeTable(
        rows=_flat(torch.stack(rows, dim=-1)),
        columns=_flat(torch.stack([sizes.key, sizes.value], dim=-1)),
        largest=None if top is None else to_numpy(top).reshape(-1),
    )
    return table, sizes.weights


def _flat(sizes: Tensor) -> np.ndarray:
    return to_numpy(sizes.flatten(0, 1))
