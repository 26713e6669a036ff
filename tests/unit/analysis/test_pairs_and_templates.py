import numpy as np
import pytest
from hypothesis import given
from sample_maps import A, B, layers, one_head, one_hot_rows, random_attention
from scipy.spatial.distance import jensenshannon

from attn_monitor.analysis.methods.pairs import head_change, pair_distance, row_jsd
from attn_monitor.analysis.methods.templates import template_distance, template_distances
from attn_monitor.core.maps import Maps


def test_divergence_of_the_worked_example():
    np.testing.assert_allclose(row_jsd(A, B), [0.155639, 0.311278, 0.151191], atol=1e-6)
    pairs = pair_distance(Maps(attn=np.stack([A, B])))
    np.testing.assert_allclose(pairs, [[0, 0.447089], [0.447089, 0]], atol=1e-6)


@given(layers(causal=False))
def test_pairs_of_heads_agree_with_scipy(maps):
    found = pair_distance(maps)
    for a, first in enumerate(maps.attn):
        for b, second in enumerate(maps.attn):
            expected = np.mean(jensenshannon(first, second, base=2, axis=-1))
            assert found[a, b] == pytest.approx(expected, abs=1e-7)


@given(layers())
def test_distance_is_symmetric_and_lies_between_0_and_1(maps):
    pairs = pair_distance(maps)
    np.testing.assert_array_equal(pairs, pairs.T)
    assert np.all((pairs >= 0) & (pairs <= 1 + 1e-12))


@given(layers())
def test_permuting_heads_permutes_rows_and_columns_of_the_pairs(maps):
    order = np.random.default_rng(2).permutation(len(maps.attn))
    moved = Maps(attn=maps.attn[order], causal=maps.causal, cross=maps.cross)
    np.testing.assert_allclose(
        pair_distance(moved), pair_distance(maps)[order][:, order], atol=1e-12
    )


def test_heads_that_share_no_key_are_1_apart():
    attn = np.stack([one_hot_rows([0, 0, 0], 3), one_hot_rows([1, 2, 2], 3)])
    np.testing.assert_allclose(pair_distance(Maps(attn=attn))[0, 1], 1)


@given(layers())
def test_a_head_that_did_not_move_changed_by_0(maps):
    np.testing.assert_allclose(head_change(maps, maps), 0, atol=1e-6)


def test_change_ignores_the_first_query_of_a_causal_head():
    before = one_head(one_hot_rows([0, 0, 0], 3), causal=True)
    now = one_head(one_hot_rows([0, 1, 2], 3), causal=True)
    np.testing.assert_allclose(head_change(before, now), 1)


def test_a_single_token_cannot_change():
    assert np.isnan(head_change(one_head([[1.0]]), one_head([[1.0]]))).all()
    assert np.isnan(pair_distance(one_head([[1.0]]))).all()


def test_steps_of_different_sentences_are_refused():
    with pytest.raises(ValueError, match=r"shapes \(1, 3, 3\) and \(1, 2, 2\)"):
        head_change(one_head(np.eye(3)), one_head(np.eye(2)))


def test_template_distance_of_the_worked_example():
    np.testing.assert_allclose(template_distance(A[None], np.eye(3)), [0.357388], atol=1e-6)
    np.testing.assert_allclose(template_distances(one_head(A))["self"], [0.357388], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "choices"),
    [("self", [0, 1, 2, 3]), ("first", [0, 0, 0, 0]), ("special", [3, 3, 3, 3])],
)
def test_a_planted_head_is_its_own_template(name, choices):
    maps = one_head(one_hot_rows(choices, keys=4), special=(3,))
    assert template_distances(maps)[name] == 0


@pytest.mark.parametrize(("name", "step"), [("prev", -1), ("next", 1)])
def test_shifted_diagonals_are_the_previous_and_next_templates(name, step):
    shifted = np.eye(5, k=step)
    assert template_distances(one_head(shifted))[name] == 0


@given(layers())
def test_template_distances_lie_between_0_and_1(maps):
    for distances in template_distances(maps).values():
        assert np.all((distances >= 0) & (distances <= 1 + 1e-12))


def test_cross_attention_has_templates_for_tokens_only():
    maps = Maps(attn=random_attention(0, 2, 3, 5), cross=True, special=(0, 4))
    assert set(template_distances(maps)) == {"first", "special"}
