import networkx as nx
import numpy as np
import pytest
from graph_shapes import CROSSED, SQUARE, random_graph
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree

from attn_monitor.analysis.topology.bars import bar_statistics
from attn_monitor.analysis.topology.components import (
    WEIGHT_GRID,
    betti_curves,
    component_bars,
    merge_heights,
)
from attn_monitor.analysis.topology.graph import attention_graph

GRAPHS = st.builds(random_graph, st.integers(0, 1000), st.integers(2, 12))


def test_merges_of_the_worked_examples():
    np.testing.assert_allclose(merge_heights(CROSSED), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(merge_heights(SQUARE), [0.1, 0.1, 0.1])
    attn = np.array([[0.1, 0.8, 0.1], [0.3, 0.4, 0.3], [0.5, 0.4, 0.1]])
    np.testing.assert_allclose(merge_heights(attention_graph(attn)), [0.2, 0.5])


def test_statistics_of_the_worked_example():
    found = bar_statistics(component_bars(CROSSED))
    assert found.count == 3
    assert found.total == pytest.approx(0.6)
    assert found.life == pytest.approx(0.2)
    assert found.midlife == pytest.approx(0.1)
    assert found.entropy == pytest.approx(1.011404, abs=1e-6)
    assert found.evenness == pytest.approx(0.920620, abs=1e-6)


def test_curves_of_the_worked_example():
    curves = betti_curves(CROSSED, weights=(0.85, 0.65, 0.5, 0.25, 0.15))
    np.testing.assert_array_equal(curves.edges, [1, 3, 4, 5, 6])
    np.testing.assert_array_equal(curves.components, [3, 1, 1, 1, 1])
    np.testing.assert_array_equal(curves.cycles, [0, 0, 1, 2, 3])


@given(GRAPHS)
def test_merges_agree_with_the_spanning_tree_of_scipy(graph):
    tree = minimum_spanning_tree(1 - graph + 10 * np.eye(len(graph)))
    np.testing.assert_allclose(merge_heights(graph), np.sort(tree.data), atol=1e-12)


@given(GRAPHS)
def test_relabelling_tokens_changes_no_merge(graph):
    order = np.random.default_rng(0).permutation(len(graph))
    np.testing.assert_allclose(merge_heights(graph[order][:, order]), merge_heights(graph))


def test_a_batch_of_graphs_gives_what_each_gives_alone():
    graphs = np.stack([random_graph(seed, 9) for seed in range(6)]).reshape(2, 3, 9, 9)
    alone = [[merge_heights(graph) for graph in row] for row in graphs]
    np.testing.assert_array_equal(merge_heights(graphs), alone)


@given(GRAPHS)
def test_curves_agree_with_networkx(graph):
    curves = betti_curves(graph, weights=(0.02, 0.1, 0.3))
    for place, least in enumerate(curves.weights):
        linked = nx.from_numpy_array((graph >= least).astype(float))
        assert curves.edges[place] == linked.number_of_edges()
        assert curves.components[place] == nx.number_connected_components(linked)
        assert curves.cycles[place] == len(nx.cycle_basis(linked))


def test_a_weight_on_the_grid_counts_as_reached_in_single_precision():
    graph = np.array([[0, 0.3], [0.3, 0]], dtype=np.float32)
    curves = betti_curves(graph, weights=(0.3,))
    assert curves.edges.tolist() == [1]
    assert curves.components.tolist() == [1]


def test_a_uniform_head_merges_everything_at_one_minus_one_over_n():
    np.testing.assert_allclose(merge_heights(attention_graph(np.full((8, 8), 1 / 8))), 7 / 8)


def test_a_single_token_never_merges():
    bars = component_bars(np.zeros((1, 1)))
    assert bars.intervals.shape == (0, 2)
    found = bar_statistics(bars)
    assert (found.count, found.total, found.entropy) == (0, 0, 0)
    assert np.isnan(found.life)
    assert np.isnan(found.midlife)


@pytest.mark.parametrize("weight", WEIGHT_GRID)
def test_an_edge_counts_at_its_own_weight_in_single_precision_too(weight):
    graph = np.array([[0, weight], [weight, 0]], dtype=np.float32)
    curves = betti_curves(graph, weights=(weight,))
    assert (curves.edges.tolist(), curves.components.tolist()) == ([1], [1])
