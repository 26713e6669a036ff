"""Graphs whose topology is known, and random ones."""

import numpy as np


def weighted(tokens, edges, rest=0.0):
    """Return the symmetric graph with the given edges {(a, b): weight} and all others `rest`."""
    graph = np.full((tokens, tokens), float(rest))
    for (a, b), weight in edges.items():
        graph[a, b] = graph[b, a] = weight
    np.fill_diagonal(graph, 0)
    return graph


def ring(tokens, weight, rest):
    return weighted(tokens, {(i, (i + 1) % tokens): weight for i in range(tokens)}, rest)


CROSSED = weighted(
    4, {(0, 1): 0.9, (1, 2): 0.8, (2, 3): 0.7, (3, 0): 0.6, (0, 2): 0.3, (1, 3): 0.2}
)
SQUARE = ring(4, 0.9, 0.1)
OCTAHEDRON = weighted(6, {(0, 3): 0.1, (1, 4): 0.1, (2, 5): 0.1}, rest=0.8)
TWO_TRIANGLES = weighted(
    6, dict.fromkeys([(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (3, 5), (4, 5)], 1.0)
)


def random_graph(seed, tokens, sharpness=2.0):
    """Return the graph of a random head: the larger of both directions."""
    scores = np.exp(sharpness * np.random.default_rng(seed).normal(size=(tokens, tokens)))
    attn = scores / scores.sum(axis=1, keepdims=True)
    graph = np.maximum(attn, attn.T)
    np.fill_diagonal(graph, 0)
    return graph
