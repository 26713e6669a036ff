"""Coarse maps of long sentences: attention between stretches of tokens instead of tokens."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.core.kept import stretch_edges, stretch_length
from attn_monitor.core.maps import Maps


def coarse_maps(maps: Maps, *, cells: int) -> Float[np.ndarray, "head row column"]:
    """Return maps whose cells are stretches of ``ceil(tokens / cells)`` tokens, the last shorter.

    A cell is the share of attention that an average query of its row's stretch gives to its
    column's stretch as a whole, so rows still sum to 1. A sentence of at most ``cells`` tokens
    keeps one cell per token. Read a few rows at a time: no whole map needs to exist.

    Args:
        maps: The maps of one layer.
        cells: Largest number of cells per axis; :func:`~attn_monitor.core.kept.stretch_edges`
            says where each begins.
    """
    length = stretch_length(maps.queries, maps.keys, cells)
    query_edges, key_edges = stretch_edges(maps.queries, length), stretch_edges(maps.keys, length)
    stretches = np.diff(query_edges)
    # One row per stretch: what each query adds to its mean.
    parts = np.repeat(np.diag(1.0 / stretches), stretches, axis=1).astype(np.float32)
    result = np.zeros((maps.heads, len(stretches), len(key_edges) - 1), dtype=np.float32)
    for first, block in maps.blocks():
        columns = np.add.reduceat(block, key_edges[:-1], axis=2)
        result += parts[:, first : first + block.shape[1]] @ columns
    return result
