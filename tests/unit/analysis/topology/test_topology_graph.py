import numpy as np
import pytest
from graph_shapes import random_graph
from hypothesis import given
from hypothesis import strategies as st

from attn_monitor.analysis.topology.graph import attention_graph, most_attended

ATTN = np.array([[0.1, 0.8, 0.1], [0.3, 0.4, 0.3], [0.5, 0.4, 0.1]])


def test_graphs_of_the_worked_example():
    strongest, summed = attention_graph(ATTN), attention_graph(ATTN, weight="sum")
    np.testing.assert_allclose(strongest, [[0, 0.8, 0.5], [0.8, 0, 0.4], [0.5, 0.4, 0]])
    np.testing.assert_allclose(summed, [[0, 1, 0.6], [1, 0, 0.7], [0.6, 0.7, 0]])
    np.testing.assert_allclose(attention_graph(ATTN, weight="mean")[0, 1], 0.55)


@pytest.mark.parametrize("weight", ["max", "sum", "mean"])
@given(seed=st.integers(0, 1000))
def test_graphs_are_symmetric_without_loops_and_within_0_and_1(weight, seed):
    attn = np.random.default_rng(seed).dirichlet(np.ones(5), size=(2, 5))
    graph = attention_graph(attn, weight=weight)
    np.testing.assert_array_equal(graph, np.swapaxes(graph, 1, 2))
    assert not np.diagonal(graph, axis1=1, axis2=2).any()
    assert np.all((graph >= 0) & (graph <= 1))


def test_the_attention_itself_is_left_as_it_was():
    attn = ATTN.copy()
    attention_graph(attn)
    np.testing.assert_array_equal(attn, ATTN)


def test_the_most_attended_tokens_keep_their_order():
    graph = random_graph(0, 6)
    strongest = sorted(np.argsort(-graph.sum(axis=0))[:3])
    np.testing.assert_array_equal(
        most_attended(graph, tokens=3), graph[np.ix_(strongest, strongest)]
    )
    assert most_attended(graph, tokens=6) is graph
