"""Cliques and cavities of the graph of strong edges, for small graphs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.topology.loops import CAVITY_CAP
from attn_monitor.analysis.topology.outcome import NotComputed

_MOST_CLIQUES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cliques:
    """Groups of tokens in which everybody is linked with everybody.

    Attributes:
        least: Weight from which on two tokens count as linked.
        by_size: Number of cliques of 1, 2, 3, ... tokens, maximal or not.
        maximal: Number of cliques that no further token can join.
        largest: Size of the largest clique, the clique number.
    """

    least: float
    by_size: tuple[int, ...]
    maximal: int
    largest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cavities:
    """Betti numbers of the flag complex at one weight: every clique is filled.

    Attributes:
        least: Weight from which on two tokens count as linked.
        components: b0.
        loops: b1, loops that no triangle fills.
        hollows: b2, cavities that no tetrahedron fills.
    """

    least: float
    components: int
    loops: int
    hollows: int


def count_cliques(
    graph: Float[np.ndarray, "token token"], *, least: float = 0.1, cap: int = CAVITY_CAP
) -> Cliques | NotComputed:
    """Return how many cliques of each size there are among edges of at least a weight."""
    if len(graph) > cap:
        return _too_long("cliques", len(graph), cap)
    import networkx as nx  # noqa: PLC0415  # 0.2 s that TensorBoard's start must not pay

    linked = nx.from_numpy_array(_linked(graph, least))
    sizes = [0] * len(graph)
    for number, clique in enumerate(nx.enumerate_all_cliques(linked)):
        if number >= _MOST_CLIQUES:
            return NotComputed(
                reason=f"cliques not computed: more than {_MOST_CLIQUES} at weight >= {least}; "
                "raise the weight"
            )
        sizes[len(clique) - 1] += 1
    largest = max((size + 1 for size, count in enumerate(sizes) if count), default=0)
    return Cliques(
        least=least,
        by_size=tuple(sizes[:largest]),
        maximal=sum(1 for _ in nx.find_cliques(linked)),
        largest=largest,
    )


def count_cavities(
    graph: Float[np.ndarray, "token token"], *, least: float = 0.1, cap: int = CAVITY_CAP
) -> Cavities | NotComputed:
    """Return b0, b1 and b2 of the flag complex of edges of at least a weight."""
    if len(graph) > cap:
        return _too_long("cavities", len(graph), cap)
    import gudhi  # noqa: PLC0415  # 0.2 s that TensorBoard's start must not pay

    tree = gudhi.SimplexTree()
    for token in range(len(graph)):
        tree.insert([token])
    for edge in np.argwhere(np.triu(_linked(graph, least), 1)).tolist():
        tree.insert(edge)
    tree.expansion(3)
    tree.compute_persistence(min_persistence=-1, persistence_dim_max=True)
    numbers: list[int] = [*tree.betti_numbers(), 0, 0, 0]  # gudhi stops at the last simplex
    return Cavities(least=least, components=numbers[0], loops=numbers[1], hollows=numbers[2])


def _linked(
    graph: Float[np.ndarray, "token token"], least: float
) -> Float[np.ndarray, "token token"]:
    return np.asarray((graph >= least) & ~np.eye(len(graph), dtype=bool), dtype=float)


def _too_long(what: str, tokens: int, cap: int) -> NotComputed:
    return NotComputed(
        reason=f"{what} not computed: {tokens} tokens are more than the limit of {cap}"
    )
