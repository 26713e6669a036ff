import numpy as np
import pytest
from graph_shapes import CROSSED, OCTAHEDRON, SQUARE, random_graph, ring
from hypothesis import given, settings
from hypothesis import strategies as st
from ripser import ripser

from attn_monitor.analysis.topology.bars import bar_statistics
from attn_monitor.analysis.topology.loops import cavity_bars, loop_bars
from attn_monitor.analysis.topology.outcome import NotComputed

GRAPHS = st.builds(random_graph, st.integers(0, 1000), st.integers(4, 14), st.just(1.0))


def ripser_bars(graph, dimension, cut):
    """Return ripser's bars, closed at the cut: a second implementation."""
    distance = 1 - graph
    np.fill_diagonal(distance, 0)
    found = ripser(distance, maxdim=dimension, distance_matrix=True, thresh=cut)
    bars = np.minimum(found["dgms"][dimension], cut)
    bars = bars[bars[:, 1] > bars[:, 0]]
    return bars[np.lexsort((bars[:, 1], bars[:, 0]))]


def test_loops_of_the_worked_examples():
    np.testing.assert_allclose(loop_bars(CROSSED).intervals, [[0.4, 0.7]])
    np.testing.assert_allclose(loop_bars(SQUARE).intervals, [[0.1, 0.9]])
    assert len(loop_bars(OCTAHEDRON).intervals) == 0


def test_life_and_midlife_of_the_square_use_the_published_formula():
    found = bar_statistics(loop_bars(SQUARE))
    assert found.life == pytest.approx(0.8)
    assert found.midlife == pytest.approx(0.5)  # the released code would say 0.95


def test_the_octahedron_has_one_cavity():
    np.testing.assert_allclose(cavity_bars(OCTAHEDRON).intervals, [[0.2, 0.9]])


def test_a_ring_without_any_triangle_is_still_a_loop_and_open_at_the_cut():
    bars = loop_bars(ring(5, 0.9, 0.0))
    np.testing.assert_allclose(bars.intervals, [[0.1, 0.95]])
    assert bars.open_bars == 1


@settings(max_examples=60)
@given(GRAPHS)
def test_loops_agree_with_ripser(graph):
    for cut in (0.95, 0.9):
        np.testing.assert_allclose(
            loop_bars(graph, cut=cut).intervals, ripser_bars(graph, 1, cut), atol=1e-6
        )


@settings(max_examples=30)
@given(GRAPHS)
def test_cavities_agree_with_ripser(graph):
    np.testing.assert_allclose(
        cavity_bars(graph, cut=0.99).intervals, ripser_bars(graph, 2, 0.99), atol=1e-6
    )


@settings(max_examples=30)
@given(GRAPHS)
def test_relabelling_tokens_changes_no_loop(graph):
    order = np.random.default_rng(0).permutation(len(graph))
    np.testing.assert_allclose(
        loop_bars(graph[order][:, order]).intervals, loop_bars(graph).intervals
    )


def test_a_long_sentence_is_reduced_to_its_most_attended_tokens_and_says_so():
    graph = random_graph(0, 20)
    bars = loop_bars(graph, cap=8)
    assert (bars.tokens, bars.left_out) == (8, 12)


def test_cavities_of_a_long_sentence_are_not_computed_rather_than_zero():
    found = cavity_bars(random_graph(0, 33))
    assert isinstance(found, NotComputed)
    assert found.reason == "cavities not computed: 33 tokens are more than the limit of 32"
    assert not found


def test_weights_of_a_head_that_diverged_are_refused():
    broken = SQUARE.copy()
    broken[0, 1] = broken[1, 0] = np.nan
    with pytest.raises(ValueError, match="2 of 4 tokens have weights that are not finite"):
        loop_bars(broken)
