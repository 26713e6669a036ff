import networkx as nx
import numpy as np
import pytest
from graph_shapes import CROSSED, TWO_TRIANGLES, random_graph, weighted
from hypothesis import given
from hypothesis import strategies as st

from attn_monitor.analysis.topology.outcome import NotComputed
from attn_monitor.analysis.topology.spectrum import (
    communities,
    fiedler,
    laplacian_eigenvalues,
)
from attn_monitor.analysis.topology.units import unit_graph

GRAPHS = st.builds(random_graph, st.integers(0, 1000), st.integers(2, 12))


def test_fiedler_values_of_the_worked_examples():
    assert fiedler(CROSSED, normalised=False) == pytest.approx(1.8)
    assert fiedler(CROSSED) == pytest.approx(1.079177, abs=1e-6)
    assert fiedler(TWO_TRIANGLES, normalised=False) == pytest.approx(0.438447, abs=1e-6)
    assert fiedler(TWO_TRIANGLES) == pytest.approx(0.204666, abs=1e-6)


@given(GRAPHS)
def test_fiedler_agrees_with_networkx_and_stays_in_its_range(graph):
    linked = nx.from_numpy_array(graph)
    tokens = len(graph)
    plain = np.sort(np.linalg.eigvalsh(nx.laplacian_matrix(linked).toarray()))[1]
    scaled = np.sort(np.linalg.eigvalsh(nx.normalized_laplacian_matrix(linked).toarray()))[1]
    assert fiedler(graph, normalised=False) == pytest.approx(plain, abs=1e-9)
    assert fiedler(graph) == pytest.approx(scaled, abs=1e-9)
    assert 0 <= fiedler(graph) <= tokens / (tokens - 1) + 1e-9


def test_a_graph_in_pieces_has_connectivity_0_also_with_a_token_nobody_looks_at():
    lonely = weighted(3, {(0, 1): 0.5})
    assert fiedler(lonely) == pytest.approx(0)
    assert fiedler(lonely, normalised=False) == pytest.approx(0)


def test_a_single_token_has_no_connectivity():
    assert np.isnan(fiedler(np.zeros((1, 1))))


def test_modularity_of_the_worked_example():
    found = communities(TWO_TRIANGLES)
    assert found.modularity == pytest.approx(0.357143, abs=1e-6)
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_groups_are_the_same_every_time():
    graph = random_graph(3, 30)
    first, second = communities(graph, least=0.05), communities(graph, least=0.05)
    assert first.labels.tolist() == second.labels.tolist()
    assert first.modularity == second.modularity


def test_without_an_edge_everybody_is_alone_and_modularity_undefined():
    found = communities(weighted(3, {}))
    assert found.labels.tolist() == [0, 1, 2]
    assert np.isnan(found.modularity)


def test_units_of_the_worked_example():
    graph = unit_graph(np.array([[1, 1, 0.0], [2, 2, 1], [3, 3, 0]]))
    np.testing.assert_allclose(graph, [[0, 1, 0], [1, 0, 0], [0, 0, 0]], atol=1e-12)


@given(st.integers(0, 1000))
def test_units_agree_with_numpy_and_do_not_care_about_scale(seed):
    activations = np.random.default_rng(seed).normal(size=(30, 5))
    expected = np.abs(np.corrcoef(activations.T))
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(unit_graph(activations), expected, atol=1e-9)
    np.testing.assert_allclose(unit_graph(-5 * activations + 2), expected, atol=1e-9)


def test_a_unit_that_never_changes_is_linked_with_nobody():
    activations = np.random.default_rng(0).normal(size=(10, 3))
    activations[:, 1] = 0.1
    assert not unit_graph(activations)[1].any()


def test_too_many_units_or_too_few_samples_are_reasons_not_zeros():
    wide = unit_graph(np.zeros((5, 65)))
    assert isinstance(wide, NotComputed)
    assert wide.reason.startswith("unit graph not computed: 65 units are more than the limit of 64")
    short = unit_graph(np.zeros((1, 3)))
    assert isinstance(short, NotComputed)
    assert short.reason == "unit graph not computed: 1 sample, wanted at least 2"


def test_eigenvalues_of_the_worked_example():
    plain, scaled = laplacian_eigenvalues(CROSSED, normalised=False), laplacian_eigenvalues(CROSSED)
    np.testing.assert_allclose(plain, [0, 1.8, 2.130958, 3.069042], atol=1e-6)
    np.testing.assert_allclose(scaled, [0, 1.079177, 1.2045, 1.716324], atol=1e-6)


def test_there_are_as_many_zero_eigenvalues_as_pieces():
    pieces = weighted(5, {(0, 1): 0.5, (2, 3): 0.9})
    assert (laplacian_eigenvalues(pieces) < 1e-12).sum() == 3
