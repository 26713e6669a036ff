"""Where the tokens of a plane are: on a ring, or so that what is strongly linked is close."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Spots = Float[np.ndarray, "node 2"]
_INNER = 0.6


def ring_layout(outer: int, inner: int = 0) -> Spots:
    """Return NetworkX's circular layout, first token on top, clockwise; a second ring inside."""
    rings = [_ring(outer)] + ([_INNER * _ring(inner)] if inner else [])
    return np.concatenate(rings)


def weight_layout(strength: Float[np.ndarray, "node node"], start: Spots) -> Spots:
    """Return places whose distances fall with the strength of links (C15), in the unit disc.

    Kamada and Kawai's (1989) layout from NetworkX, with 1.1 less the strength, 0 to 1, as the
    wanted distance of two nodes.

    Args:
        strength: How strong the link of two nodes looks, 0 to 1.
        start: Where the search begins, so that the picture keeps the order of the words.
    """
    import networkx as nx  # noqa: PLC0415  # 0.2 s, and only this picture needs it

    nodes = len(strength)
    if nodes <= 2:  # noqa: PLR2004  # two points have one distance, whatever it is
        return start
    wanted = {i: {j: 1.1 - float(strength[i, j]) for j in range(nodes)} for i in range(nodes)}
    graph = nx.complete_graph(nodes)
    found = nx.kamada_kawai_layout(graph, dist=wanted, pos=dict(enumerate(start)))
    places = np.array([found[i] for i in range(nodes)])
    places -= places.mean(0)
    return np.asarray(places / np.linalg.norm(places, axis=1).max())


def _ring(tokens: int) -> Spots:
    import networkx as nx  # noqa: PLC0415

    places = nx.circular_layout(range(tokens)) if tokens > 1 else {0: (1.0, 0.0)}
    return np.array([(places[token][1], places[token][0]) for token in range(tokens)])
