"""Everything the tab shows about the shape of one head's attention on one sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.topology.bars import Bars, BarStatistics, bar_statistics
from attn_monitor.analysis.topology.cliques import (
    Cavities,
    Cliques,
    count_cavities,
    count_cliques,
)
from attn_monitor.analysis.topology.components import (
    WEIGHT_GRID,
    BettiCurves,
    betti_curves,
    component_bars,
)
from attn_monitor.analysis.topology.graph import Direction, attention_graph
from attn_monitor.analysis.topology.loops import CUT, TOKEN_CAP, cavity_bars, loop_bars
from attn_monitor.analysis.topology.outcome import NotComputed
from attn_monitor.analysis.topology.spectrum import Communities, communities, fiedler


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The shape of one head's attention graph; every limit that was met is a ``NotComputed``.

    Attributes:
        weight: How the two directions of a pair became one edge.
        curves: Components, edges and cycles against the weight.
        components: Bars of dimension 0 and their statistics.
        loops: Bars of dimension 1 of the flag complex and their statistics.
        cavities: Bars of dimension 2.
        cliques: Cliques by size at ``least``.
        betti: b0, b1, b2 of the flag complex at ``least``.
        fiedler: Second eigenvalue of the normalised Laplacian of all weights.
        communities: Louvain's groups at ``least``.
    """

    weight: Direction
    curves: BettiCurves
    components: Bars
    component_statistics: BarStatistics
    loops: Bars
    loop_statistics: BarStatistics
    cavities: Bars | NotComputed
    cliques: Cliques | NotComputed
    betti: Cavities | NotComputed
    fiedler: float
    communities: Communities


def head_topology(
    attn: Float[np.ndarray, "query key"],
    *,
    weight: Direction = "max",
    least: float = 0.1,
    cut: float = CUT,
    cap: int = TOKEN_CAP,
    weights: tuple[float, ...] = WEIGHT_GRID,
) -> Topology | NotComputed:
    """Return the topology of one head on one sentence, padding cropped.

    Encoder-decoder attention links two different sets of tokens and has no such graph.

    Args:
        attn: Weights after softmax.
        weight: How the two directions of a pair become one edge.
        least: Weight from which on an edge counts for cliques, cavities and communities.
        cut: Where the filtration stops, in units of 1 - w.
        cap: How many tokens take part in the search for loops.
        weights: Where the curves are read.
    """
    queries, keys = attn.shape
    if queries != keys:
        return NotComputed(
            reason=f"topology not computed: {queries} queries and {keys} keys are different "
            "tokens; choose a self-attention part"
        )
    if not np.isfinite(attn).all():
        return NotComputed(
            reason="topology not computed: weights are not finite; the head diverged at this step"
        )
    graph = attention_graph(attn, weight=weight)
    components, loops = component_bars(graph), loop_bars(graph, cut=cut, cap=cap)
    return Topology(
        weight=weight,
        curves=betti_curves(graph, weights=weights),
        components=components,
        component_statistics=bar_statistics(components),
        loops=loops,
        loop_statistics=bar_statistics(loops),
        cavities=cavity_bars(graph, cut=cut),
        cliques=count_cliques(graph, least=least),
        betti=count_cavities(graph, least=least),
        fiedler=fiedler(graph),
        communities=communities(graph, least=least),
    )
