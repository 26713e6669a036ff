import itertools

import numpy as np
from graph_shapes import CROSSED, OCTAHEDRON, TWO_TRIANGLES, random_graph, ring, weighted
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_monitor.analysis.topology.cliques import count_cavities, count_cliques
from attn_monitor.analysis.topology.components import betti_curves
from attn_monitor.analysis.topology.outcome import NotComputed

GRAPHS = st.builds(random_graph, st.integers(0, 1000), st.integers(1, 9), st.just(1.0))


def boundary_betti(linked, top):
    """Return Betti numbers of the flag complex from ranks of boundary matrices, by brute force."""
    tokens = len(linked)
    simplices = [
        [
            simplex
            for simplex in itertools.combinations(range(tokens), size)
            if all(linked[a, b] for a, b in itertools.combinations(simplex, 2))
        ]
        for size in range(1, top + 3)
    ]
    ranks = [0]
    for lower, upper in itertools.pairwise(simplices):
        place = {simplex: row for row, simplex in enumerate(lower)}
        boundary = np.zeros((len(lower), max(len(upper), 1)))
        for column, simplex in enumerate(upper):
            for left_out in range(len(simplex)):
                face = simplex[:left_out] + simplex[left_out + 1 :]
                boundary[place[face], column] = (-1) ** left_out
        ranks.append(np.linalg.matrix_rank(boundary) if upper else 0)
    return [len(simplices[k]) - ranks[k] - ranks[k + 1] for k in range(top + 1)]


def test_cliques_of_the_worked_example():
    found = count_cliques(TWO_TRIANGLES)
    assert found.by_size == (6, 7, 2)
    assert (found.maximal, found.largest) == (3, 3)


@given(GRAPHS)
def test_cliques_agree_with_all_subsets(graph):
    found = count_cliques(graph, least=0.15)
    for size, count in enumerate(found.by_size, start=1):
        groups = itertools.combinations(range(len(graph)), size)
        assert count == sum(
            all(graph[a, b] >= 0.15 for a, b in itertools.combinations(group, 2))
            for group in groups
        )


def test_flag_b1_of_the_worked_example_is_0_where_both_triangles_are_filled():
    assert count_cavities(CROSSED, least=0.25).loops == 0
    assert betti_curves(CROSSED, weights=(0.25,)).cycles.tolist() == [2]


def test_an_octahedron_is_hollow_and_a_square_is_a_loop():
    shell = count_cavities(OCTAHEDRON, least=0.5)
    assert (shell.components, shell.loops, shell.hollows) == (1, 0, 1)
    square = count_cavities(ring(4, 0.9, 0.0), least=0.5)
    assert (square.components, square.loops, square.hollows) == (1, 1, 0)


@settings(max_examples=60)
@given(GRAPHS)
def test_betti_numbers_agree_with_ranks_of_boundary_matrices(graph):
    found = count_cavities(graph, least=0.15)
    linked = (graph >= 0.15) & ~np.eye(len(graph), dtype=bool)
    assert [found.components, found.loops, found.hollows] == boundary_betti(linked, 2)


def test_limits_are_reasons_not_zeros():
    long = count_cliques(random_graph(0, 33))
    assert isinstance(long, NotComputed)
    assert long.reason == "cliques not computed: 33 tokens are more than the limit of 32"
    assert isinstance(count_cavities(random_graph(0, 33)), NotComputed)
    dense = count_cliques(weighted(20, {}, rest=0.5))
    assert isinstance(dense, NotComputed)
    assert dense.reason == (
        "cliques not computed: more than 20000 at weight >= 0.1; raise the weight"
    )
