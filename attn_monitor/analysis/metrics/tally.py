"""The numbers per row and per key that the default metrics are made of, in one reading of a map.

A map is read a few rows at a time: each block stays in the processor's cache while everything is
taken from it, and a map that is too large to exist at once (:class:`~attn_monitor.core.maps.
MapsByRows`) is reduced all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.shared import shared
from attn_monitor.core.arrays import row_maxima, row_products
from attn_monitor.core.maps import Maps

_REMEMBERED: Final = 1 << 15  # position weights of short sentences are kept, under a megabyte each


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the default metrics need to know of the maps of one layer.

    Attributes:
        nats: Shannon entropy of every row, 0 to ln(visible keys).
        top: Largest weight of every row.
        totals: Sum of every row: 1, unless the model says otherwise.
        squares: Sum of the squared weights of every row.
        blend_nats: Entropy of every row of the mean over heads.
        received: How much attention every key receives, summed over queries.
        positions: Mean over rows of the shares before, at and after the query's own place, and
            of signed and absolute distance, on positions scaled to 0..1.
        previous: Mean weight of the key before the query, over queries that have one; else NaN.
        following: Mean weight of the key after the query, likewise.
    """

    nats: Float[np.ndarray, "head query"]
    top: Float[np.ndarray, "head query"]
    totals: Float[np.ndarray, "head query"]
    squares: Float[np.ndarray, "head query"]
    blend_nats: Float[np.ndarray, " query"]
    received: Float[np.ndarray, "head key"]
    positions: Float[np.ndarray, "head 5"]
    previous: Float[np.ndarray, " head"]
    following: Float[np.ndarray, " head"]


_OF_HEADS: Final = tuple(each.name for each in fields(Tally) if each.name != "blend_nats")


@shared
def tally(maps: Maps) -> Tally:
    """Return the tally of ``maps``: each weight is read once."""
    heads, queries, keys = maps.shape
    rows: list[tuple[np.ndarray, ...]] = []
    received, positions = np.zeros((heads, keys)), np.zeros((heads, 5))
    beside = np.zeros((2, heads))
    for first, block in maps.blocks():
        count = block.shape[1]
        totals = block @ np.ones(keys, block.dtype)
        rows.append(
            (
                0.0 - entropy_terms(block),  # 0 - x: one-hot is 0, never -0
                row_maxima(block),
                totals,
                row_products(block, block),
                0.0 - entropy_terms(_mean_over_heads(block))[None],
            )
        )
        received += (np.ones((1, count), block.dtype) @ block)[:, 0]
        weights = _weights_of(first, first + count, queries, keys, block.dtype.char)
        positions += block.reshape(heads, -1) @ weights
        for side, step in enumerate((-1, 1)):
            beside[side] += np.diagonal(block, first + step, axis1=1, axis2=2).sum(axis=-1)
    nats, top, sums, squares, blend = (
        np.concatenate(pieces, axis=1) for pieces in zip(*rows, strict=True)
    )
    alone = max(0, len(maps.documents) - 1)  # a document's first has none before it, its last ...
    counts = np.array([min(queries - 1, keys), min(queries, keys - 1)])[:, None] - alone
    means = np.divide(beside, counts, out=np.full_like(beside, np.nan), where=counts > 0)
    return Tally(
        nats=nats,
        top=top,
        totals=sums,
        squares=squares,
        blend_nats=blend[0],
        received=received,
        positions=positions / queries,
        previous=means[0],
        following=means[1],
    )


def tallies(group: Sequence[Maps], stacked: Maps) -> list[Tally]:
    """Return the tallies of several maps of one shape.

    Args:
        group: The maps.
        stacked: All of their heads, one map after the other; its own tally is made, too.
    """
    heads, queries, keys = group[0].shape
    whole = tally(stacked)
    blends = stacked.attn.reshape(len(group), heads, queries, keys).mean(axis=1)
    blend_nats = 0.0 - entropy_terms(blends)
    return [
        replace(
            whole,
            blend_nats=blend_nats[at],
            **{name: getattr(whole, name)[at * heads : (at + 1) * heads] for name in _OF_HEADS},
        )
        for at in range(len(group))
    ]


def _mean_over_heads(
    block: Float[np.ndarray, "head rows key"],
) -> Float[np.ndarray, "rows key"]:
    """Return the mean map; a product with one row of shares is thrice as fast as adding up."""
    heads = block.shape[0]
    shares = np.full((1, heads), 1 / heads, block.dtype)
    found: np.ndarray = (shares @ block.reshape(heads, -1)).reshape(block.shape[1:])
    return found


def entropy_terms(p: Float[np.ndarray, "*batch key"]) -> Float[np.ndarray, "*batch"]:
    """Return ``sum_j p_j ln p_j`` of every row, 0 where ``p`` is 0 and NaN where it is NaN."""
    logs = np.maximum(p, np.finfo(p.dtype).tiny)
    return row_products(np.log(logs, out=logs), p)


def _weights_of(
    first: int, end: int, queries: int, keys: int, kind: str
) -> Float[np.ndarray, "entries 5"]:
    """Return what :attr:`Tally.positions` weighs the rows ``first:end`` with.

    The last two say how far key j lies after query i, on positions scaled to 0..1.
    """
    make = _remembered if (end - first) * keys <= _REMEMBERED else _position_weights
    return make(first, end, queries, keys, kind)


def _position_weights(
    first: int, end: int, queries: int, keys: int, kind: str
) -> Float[np.ndarray, "entries 5"]:
    query, key = np.arange(first, end)[:, None], np.arange(keys)[None]
    weights = np.empty((5, end - first, keys), dtype=kind)
    weights[0], weights[1], weights[2] = key < query, key == query, key > query
    scaled = key / max(keys - 1, 1), query / max(queries - 1, 1)
    np.subtract(*scaled, out=weights[3], casting="same_kind")
    np.abs(weights[3], out=weights[4])
    return weights.reshape(5, -1).T


_remembered = lru_cache(maxsize=32)(_position_weights)
