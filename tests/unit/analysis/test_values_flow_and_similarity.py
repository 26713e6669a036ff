import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_maps import A, B, one_hot_rows, random_attention
from scipy.stats import ortho_group

from attn_monitor.analysis.methods.flow import attention_flow, rollout
from attn_monitor.analysis.methods.similarity import linear_cka
from attn_monitor.analysis.methods.values import contribution, norm_attention
from attn_monitor.analysis.metrics.induction import induction

SEEDS = st.integers(0, 1000)


def vectors(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def test_norm_attention_of_the_worked_example():
    value = np.array([[[1.0, 0], [0, 2], [2, 0]]])
    found = norm_attention(A[None], value, np.eye(2)[None])[0]
    np.testing.assert_allclose(found, [[1 / 3] * 3, [0, 1, 0], [1 / 9, 2 / 9, 2 / 3]])


@given(SEEDS)
def test_norm_attention_is_attention_where_all_values_are_equally_long(seed):
    attn = random_attention(seed, 2, 4, 5)
    value = vectors(seed, 2, 5, 3)
    value /= np.linalg.norm(value, axis=-1, keepdims=True)
    output = np.stack([np.eye(3), np.eye(3)])
    np.testing.assert_allclose(norm_attention(attn, value, output), attn)


def test_a_row_that_moves_nothing_stays_0():
    assert not norm_attention(A[None], np.zeros((1, 3, 2)), np.eye(2)[None]).any()


def test_contribution_agrees_with_a_slow_loop():
    attn, value, output = random_attention(0, 3, 4, 5), vectors(1, 3, 5, 2), vectors(2, 3, 2, 6)
    sizes = np.zeros(3)
    for head in range(3):
        for query in range(4):
            received = sum(attn[head, query, key] * value[head, key] for key in range(5))
            sizes[head] += np.linalg.norm(received @ output[head]) / 4
    np.testing.assert_allclose(contribution(attn, value, output), sizes / sizes.sum())


@given(SEEDS)
def test_contribution_sums_to_1_and_follows_a_permutation_of_heads(seed):
    attn, value, output = random_attention(seed, 3, 4, 4), vectors(1, 3, 4, 2), vectors(2, 3, 2, 6)
    found = contribution(attn, value, output)
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(contribution(attn[::-1], value[::-1], output[::-1]), found[::-1])


def test_grouped_queries_share_the_values_of_their_group():
    attn, value, output = random_attention(0, 4, 3, 3), vectors(1, 2, 3, 2), vectors(2, 4, 2, 5)
    repeated = value[[0, 0, 1, 1]]
    np.testing.assert_array_equal(
        norm_attention(attn, value, output), norm_attention(attn, repeated, output)
    )
    with pytest.raises(ValueError, match="4 heads cannot share 3 sets of values evenly"):
        norm_attention(attn, vectors(1, 3, 3, 2), output)


def test_a_silent_layer_has_no_shares():
    silent = contribution(random_attention(0, 2, 3, 3), np.zeros((2, 3, 2)), np.ones((2, 2, 4)))
    assert np.isnan(silent).all()


def test_rollout_of_the_worked_example():
    expected = [[0.5625, 0.34375, 0.09375], [0.025, 0.775, 0.2], [0.2625, 0.10625, 0.63125]]
    np.testing.assert_allclose(rollout(np.stack([A, B])), expected)


@given(SEEDS)
def test_rollout_rows_sum_to_1_and_relabelling_tokens_relabels_them(seed):
    stack = random_attention(seed, 3, 5, 5)
    order = np.random.default_rng(seed).permutation(5)
    found = rollout(stack)
    np.testing.assert_allclose(found.sum(axis=-1), 1)
    np.testing.assert_allclose(rollout(stack[:, order][:, :, order]), found[order][:, order])


def test_a_diagonal_passes_every_token_to_itself():
    stack = np.stack([np.eye(4)] * 3)
    np.testing.assert_array_equal(rollout(stack), np.eye(4))
    np.testing.assert_array_equal(attention_flow(stack), np.eye(4))


def test_attention_flow_agrees_with_networkx():
    stack = random_attention(5, 3, 4, 4)
    mixed = (stack + np.eye(4)) / 2
    graph = nx.DiGraph()
    for level in range(3):
        for query in range(4):
            for key in range(4):
                weight = mixed[level, query, key]
                graph.add_edge((level + 1, query), (level, key), capacity=weight)
    expected = [
        [nx.maximum_flow_value(graph, (3, query), (0, key)) for key in range(4)]
        for query in range(4)
    ]
    np.testing.assert_allclose(attention_flow(stack), expected, atol=2e-5)
    np.testing.assert_allclose(attention_flow(stack, queries=[2]), expected[2:3], atol=2e-5)


@given(SEEDS)
def test_no_token_receives_more_flow_than_one_layer_lets_through(seed):
    stack = random_attention(seed, 2, 3, 3)
    ceiling = ((stack[0] + np.eye(3)) / 2).sum(axis=0)
    assert np.all(attention_flow(stack) <= np.minimum(ceiling, 1) + 1e-5)


def test_a_planted_induction_head_scores_1():
    period = 4
    choices = [*range(period), *range(1, period + 1)]
    planted = one_hot_rows(choices, keys=2 * period)
    uniform = np.full((8, 8), 1 / 8)
    np.testing.assert_allclose(induction(np.stack([planted, uniform]), period=period), [1, 1 / 8])


def test_induction_needs_a_sentence_of_two_periods():
    with pytest.raises(ValueError, match="a sentence of 8 tokens is not 3 tokens written twice"):
        induction(np.zeros((1, 8, 8)), period=3)


@given(SEEDS)
def test_cka_is_1_for_rotated_and_scaled_vectors(seed):
    x = vectors(seed, 20, 4)
    turned = 3 * x @ ortho_group.rvs(4, random_state=seed) + 7
    assert linear_cka(x, turned) == pytest.approx(1)


@given(SEEDS)
def test_cka_is_symmetric_and_equals_the_gram_matrix_definition(seed):
    x, y = vectors(seed, 12, 3), vectors(seed + 1, 12, 5)
    centre = np.eye(12) - 1 / 12
    k, m = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    expected = np.sum(k * m) / np.sqrt(np.sum(k * k) * np.sum(m * m))
    assert linear_cka(x, y) == pytest.approx(expected)
    assert linear_cka(y, x) == pytest.approx(expected)


def test_cka_of_vectors_that_do_not_vary_is_undefined():
    assert np.isnan(linear_cka(np.ones((5, 2)), vectors(0, 5, 2)))
