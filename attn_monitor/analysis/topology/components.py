"""Dimension 0, exact: components merge along the maximum spanning tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from attn_monitor.analysis.topology.bars import Bars

WEIGHT_GRID = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
"""Weights at which Betti curves are read; fixed, so that steps and runs compare."""


def merge_heights(
    graphs: Float[np.ndarray, "*batch token token"],
) -> Float[np.ndarray, "*batch merge"]:
    """Return at which 1 - w two components merge, ascending, one less than there are tokens.

    These are the deaths of dimension 0, 1 minus the weights of the maximum spanning tree. Prim's
    algorithm on the dense matrix, all graphs of a batch in step: O(tokens^2) each.
    """
    tokens = graphs.shape[-1]
    flat = graphs.reshape(-1, tokens, tokens)
    every = np.arange(len(flat))
    # A visited token is pushed out of reach of every maximum instead of being removed.
    visited = np.zeros((len(flat), tokens), dtype=graphs.dtype)
    reach = flat[:, 0].copy()
    visited[:, 0] = 2
    merged = np.empty((len(flat), max(tokens - 1, 0)), dtype=graphs.dtype)
    for merge in range(tokens - 1):
        nearest = (reach - visited).argmax(axis=-1)
        merged[:, merge] = reach[every, nearest]
        visited[every, nearest] = 2
        np.maximum(reach, flat[every, nearest], out=reach)
    heights = np.sort(1 - merged, axis=-1)
    return np.asarray(heights.reshape(*graphs.shape[:-2], max(tokens - 1, 0)))


def component_bars(graph: Float[np.ndarray, "token token"]) -> Bars:
    """Return the finite bars of dimension 0: every token is born at 0, all but one die.

    The mean death of a diffuse head tends to 1 - 1/n: compare with the uniform head, or equal
    lengths only.
    """
    deaths = merge_heights(graph)
    return Bars(
        dimension=0,
        intervals=np.stack([np.zeros_like(deaths), deaths], axis=-1),
        cut=1.0,
        open_bars=0,
        tokens=len(graph),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BettiCurves:
    """The graph of edges with at least a given weight, seen at several weights.

    Attributes:
        weights: The thresholds, as given.
        components: b0, the number of connected pieces.
        edges: Number of edges.
        cycles: b1 of the graph, edges - tokens + components: independent loops, no triangle
            filled. The loops that survive filling are those of :func:`loop_bars`.
    """

    weights: tuple[float, ...]
    components: Int[np.ndarray, " weight"]
    edges: Int[np.ndarray, " weight"]
    cycles: Int[np.ndarray, " weight"]


def betti_curves(
    graph: Float[np.ndarray, "token token"], *, weights: tuple[float, ...] = WEIGHT_GRID
) -> BettiCurves:
    """Return components, edges and cycles at every threshold, from one tree and one sort."""
    tokens = len(graph)
    slack = 1e-6  # 1 - (1 - w) may miss w by a rounding error, in float32 by 6e-8
    at_least = np.asarray(weights) - slack
    edges = _count_at_least(np.sort(graph[np.triu_indices(tokens, 1)]), at_least)
    components = tokens - _count_at_least(np.sort(1 - merge_heights(graph)), at_least)
    return BettiCurves(
        weights=weights,
        components=components,
        edges=edges,
        cycles=edges - tokens + components,
    )


def _count_at_least(
    ascending: Float[np.ndarray, " value"], least: Float[np.ndarray, " weight"]
) -> Int[np.ndarray, " weight"]:
    return np.asarray(len(ascending) - np.searchsorted(ascending, least))
