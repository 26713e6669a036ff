"""Dimension 0, exact: components merge along the maximum spanning tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from attn_monitor.analysis.topology.bars import Bars

_OUT_OF_REACH = -2.0  # less than any weight, also after adding one

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
    if tokens < 2:  # noqa: PLR2004  # nobody to merge with
        return np.empty((*graphs.shape[:-2], 0), dtype=graphs.dtype)
    merged = _spanning_weights(flat[0])[None] if len(flat) == 1 else _spanning_weights_of_all(flat)
    return np.asarray(np.sort(1 - merged, axis=-1).reshape(*graphs.shape[:-2], tokens - 1))


def _spanning_weights(graph: Float[np.ndarray, "token token"]) -> Float[np.ndarray, " merge"]:
    """Return the weights of the maximum spanning tree of one graph."""
    left = graph.copy()  # a visited token's column is pushed out of reach of every maximum
    left[:, 0] = _OUT_OF_REACH
    reach = left[0].copy()
    merged = np.empty(len(graph) - 1, dtype=graph.dtype)
    for merge in range(len(graph) - 1):
        nearest = reach.argmax()
        merged[merge] = reach[nearest]
        left[:, nearest] = _OUT_OF_REACH
        reach[nearest] = _OUT_OF_REACH
        np.maximum(reach, left[nearest], out=reach)
    return merged


def _spanning_weights_of_all(
    graphs: Float[np.ndarray, "graph token token"],
) -> Float[np.ndarray, "graph merge"]:
    """Return the same for many graphs in step, which spares most of numpy's cost per call."""
    every, tokens = np.arange(len(graphs)), graphs.shape[-1]
    visited = np.zeros((len(graphs), tokens), dtype=graphs.dtype)
    visited[:, 0] = _OUT_OF_REACH
    reach = graphs[:, 0].copy()
    merged = np.empty((len(graphs), tokens - 1), dtype=graphs.dtype)
    for merge in range(tokens - 1):
        nearest = (reach + visited).argmax(axis=-1)
        merged[:, merge] = reach[every, nearest]
        visited[every, nearest] = _OUT_OF_REACH
        np.maximum(reach, graphs[every, nearest], out=reach)
    return merged


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
