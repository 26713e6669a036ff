import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from sample_maps import CAUSAL, A, layers, one_head, one_hot_rows, random_attention

from attn_monitor.analysis.metrics.entropy import col_entropy, row_entropy
from attn_monitor.analysis.metrics.shared import plogp
from attn_monitor.analysis.metrics.tally import tally
from attn_monitor.core.maps import Maps


def test_row_entropies_of_the_worked_example_in_nats():
    np.testing.assert_allclose(tally(one_head(A)).nats[0], [1.039721, 0, 0.950271], atol=1e-6)


def test_row_entropy_of_the_worked_examples():
    np.testing.assert_allclose(row_entropy(one_head(A)), [0.603789], atol=1e-6)
    np.testing.assert_allclose(row_entropy(one_head(CAUSAL, causal=True)), [0.892797], atol=1e-6)


def test_col_entropy_of_the_worked_examples():
    np.testing.assert_allclose(col_entropy(one_head(A)), [0.954199], atol=1e-6)
    np.testing.assert_allclose(col_entropy(one_head(A)) * np.log(3), [1.048294], atol=1e-6)
    np.testing.assert_allclose(col_entropy(one_head(CAUSAL, causal=True)), [0.950670], atol=1e-6)


def test_a_causal_diagonal_favours_late_keys():
    identity = one_head(np.eye(4), causal=True)
    np.testing.assert_allclose(col_entropy(identity), [0.803213], atol=1e-6)


def test_a_diagonal_has_row_entropy_0_and_col_entropy_1():
    diagonal = one_head(np.eye(5))
    assert row_entropy(diagonal) == 0
    np.testing.assert_allclose(col_entropy(diagonal), 1)


def test_a_vertical_bar_has_both_entropies_0():
    bar = one_head(one_hot_rows([0, 0, 0, 0], keys=4))
    assert row_entropy(bar) == 0
    assert col_entropy(bar) == 0


def test_one_hot_rows_have_a_positive_zero():
    assert not np.signbit(row_entropy(one_head(np.eye(3))))[0]


@given(layers())
def test_a_uniform_head_has_both_entropies_1(maps):
    np.testing.assert_allclose(row_entropy(maps.uniform()), 1)
    if maps.queries > 1 or not maps.causal:
        np.testing.assert_allclose(col_entropy(maps.uniform()), 1)


@given(layers(cross=False, causal=False))
def test_entropies_agree_with_scipy(maps):
    keys = maps.keys
    rows = scipy.stats.entropy(maps.attn, axis=-1).mean(axis=-1) / np.log(keys)
    columns = scipy.stats.entropy(maps.attn.mean(axis=1), axis=-1) / np.log(keys)
    np.testing.assert_allclose(row_entropy(maps), rows, atol=1e-12)
    np.testing.assert_allclose(col_entropy(maps), columns, atol=1e-12)


@given(layers(cross=False, causal=False))
def test_relabelling_tokens_leaves_both_entropies_as_they_are(maps):
    order = np.random.default_rng(0).permutation(maps.keys)
    moved = Maps(attn=maps.attn[:, order][:, :, order])
    np.testing.assert_allclose(row_entropy(moved), row_entropy(maps), atol=1e-12)
    np.testing.assert_allclose(col_entropy(moved), col_entropy(maps), atol=1e-12)


@given(layers())
def test_entropies_lie_between_0_and_1(maps):
    for values in (row_entropy(maps), col_entropy(maps)):
        assert np.all((values >= 0) & (values <= 1 + 1e-12))


def test_entropies_are_undefined_for_a_sentence_of_one_token():
    assert np.isnan(row_entropy(one_head([[1.0]]))).all()
    assert np.isnan(col_entropy(one_head([[1.0]]))).all()


def test_a_head_that_attends_to_nothing_received_nothing():
    assert col_entropy(one_head(np.zeros((3, 3)))) == 0


def test_causal_keys_that_no_query_sees_do_not_count():
    seen = random_attention(3, 1, 3, 3, causal=True)
    longer = np.concatenate([seen, np.zeros((1, 3, 2))], axis=2)
    np.testing.assert_allclose(
        col_entropy(Maps(attn=longer, causal=True)), col_entropy(Maps(attn=seen, causal=True))
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_p_log_p_is_0_at_0_and_keeps_nan(dtype):
    answer = plogp(np.array([0, 1, 0.5, np.nan], dtype=dtype))
    np.testing.assert_allclose(answer, [0, 0, -0.5 * np.log(2), np.nan], rtol=1e-6)
    assert answer.dtype == dtype
