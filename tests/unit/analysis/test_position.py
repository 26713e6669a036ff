import numpy as np
from hypothesis import given
from sample_maps import A, layers, one_head, one_hot_rows

from attn_monitor.analysis.metrics.position import (
    at_itself,
    diagonal,
    distance,
    following,
    lean,
    left,
    offset,
    previous,
    right,
)
from attn_monitor.core.maps import Maps


def test_position_metrics_of_the_worked_example():
    maps = one_head(A)
    expected = {
        left: 0.4 / 3,
        at_itself: 0.7,
        right: 0.5 / 3,
        lean: 0.1 / 3,
        offset: 0.025,
        distance: 0.225,
        previous: 0.1,
        following: 0.125,
    }
    for function, value in expected.items():
        np.testing.assert_allclose(function(maps), [value], atol=1e-12, err_msg=function.__name__)


def test_sanvis_triangle_sums_of_the_worked_example():
    sums = [3 * function(one_head(A))[0] for function in (right, left, at_itself)]
    np.testing.assert_allclose(sums, [0.5, 0.4, 2.1])


def test_a_planted_previous_word_head_scores_1_and_looks_left():
    maps = one_head(one_hot_rows([0, 0, 1, 2, 3], keys=5))
    assert previous(maps) == 1
    assert following(maps) == 0
    assert offset(maps) < 0


def test_a_planted_next_word_head_scores_1_and_looks_right():
    maps = one_head(one_hot_rows([1, 2, 3, 4, 4], keys=5))
    assert following(maps) == 1
    assert previous(maps) == 0
    assert offset(maps) > 0


@given(layers(cross=False))
def test_left_self_and_right_sum_to_1(maps):
    np.testing.assert_allclose(left(maps) + at_itself(maps) + right(maps), 1)


@given(layers(cross=False, causal=True))
def test_nothing_lies_ahead_under_a_causal_mask(maps):
    assert np.all(right(maps) == 0)
    assert np.all(following(maps) == 0)
    np.testing.assert_allclose(offset(maps), -distance(maps), atol=1e-12)


@given(layers(cross=False))
def test_offset_and_distance_agree_with_a_slow_loop(maps):
    n = maps.keys
    signed = np.zeros(len(maps.attn))
    absolute = np.zeros(len(maps.attn))
    for i in range(n):
        for j in range(n):
            signed += maps.attn[:, i, j] * (j - i) / (n - 1) / n
            absolute += maps.attn[:, i, j] * abs(j - i) / (n - 1) / n
    np.testing.assert_allclose(offset(maps), signed, atol=1e-12)
    np.testing.assert_allclose(distance(maps), absolute, atol=1e-12)


@given(layers(cross=False, causal=False))
def test_reading_the_sentence_backwards_swaps_left_and_right(maps):
    mirrored = Maps(attn=maps.attn[:, ::-1, ::-1])
    np.testing.assert_allclose(left(mirrored), right(maps), atol=1e-12)
    np.testing.assert_allclose(previous(mirrored), following(maps), atol=1e-12)
    np.testing.assert_allclose(offset(mirrored), -offset(maps), atol=1e-12)


def test_shares_are_undefined_for_cross_attention():
    maps = Maps(attn=np.full((2, 3, 4), 0.25), cross=True)
    for function in (left, at_itself, right, lean, previous, following):
        assert np.isnan(function(maps)).all(), function.__name__


def test_a_monotone_alignment_has_offset_0_whatever_the_two_lengths():
    alignment = one_head(one_hot_rows([0, 2, 4], keys=5), cross=True)
    np.testing.assert_allclose(offset(alignment), 0)
    np.testing.assert_allclose(distance(alignment), 0)


def test_a_reversed_alignment_is_half_a_sentence_away_on_average():
    reversed_ = one_head(one_hot_rows([4, 2, 0], keys=5), cross=True)
    np.testing.assert_allclose(offset(reversed_), 0, atol=1e-12)
    np.testing.assert_allclose(distance(reversed_), 2 / 3)


def test_a_single_token_has_no_distance_and_no_neighbour():
    single = one_head([[1.0]])
    for function in (offset, distance, previous, following):
        assert np.isnan(function(single)).all(), function.__name__
    assert at_itself(single) == 1


def test_a_single_query_still_has_an_offset_into_the_source():
    np.testing.assert_allclose(offset(one_head([[0, 0, 1.0]], cross=True)), [1])


def test_lean_runs_from_a_previous_word_head_to_a_next_word_head_whatever_the_first_token_gets():
    heads = {
        "previous": one_hot_rows([0, 0, 1, 2, 3, 4, 5], keys=7),
        "first token, half of it": 0.5 * one_hot_rows([0] * 7, keys=7) + 0.5 / 7,
        "even": np.full((7, 7), 1 / 7),
        "next": one_hot_rows([1, 2, 3, 4, 5, 6, 6], keys=7),
    }
    values = lean(Maps(attn=np.stack(list(heads.values()))))
    assert np.argsort(values).tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(values[[0, 2, 3]], [-6 / 7, 0, 6 / 7], atol=1e-12)


def test_a_head_that_looks_straight_across_has_a_diagonal_share_of_1():
    across = one_head(one_hot_rows([0, 2, 4, 6, 8], keys=9), cross=True)
    assert diagonal(across) == 1


def test_the_diagonal_share_of_a_reversed_alignment_is_its_middle_word_alone():
    reversed_order = one_head(one_hot_rows([8, 6, 4, 2, 0], keys=9), cross=True)
    np.testing.assert_allclose(diagonal(reversed_order), 1 / 5)


def test_the_band_is_one_token_wide_in_short_sentences_and_a_tenth_in_long_ones():
    short = one_head(one_hot_rows([1, 2, 3, 2], keys=4), cross=True)
    np.testing.assert_allclose(diagonal(short), 1)
    long = one_head(one_hot_rows(np.minimum(np.arange(31) + 4, 30), keys=31), cross=True)
    np.testing.assert_allclose(diagonal(long), 4 / 31)


@given(layers(cross=True))
def test_the_diagonal_share_agrees_with_a_slow_loop(maps):
    if min(maps.queries, maps.keys) == 1:
        assert np.isnan(diagonal(maps)).all()
        return
    share = np.zeros(len(maps.attn))
    for i in range(maps.queries):
        for j in range(maps.keys):
            apart = abs(j * (maps.queries - 1) - i * (maps.keys - 1))
            token = max(0.1 * (maps.keys - 1), 1) * (maps.queries - 1)
            share += maps.attn[:, i, j] * (apart <= token + 1e-9) / maps.queries
    np.testing.assert_allclose(diagonal(maps), share, atol=1e-12)


@given(layers(cross=False))
def test_self_attention_has_no_diagonal_share(maps):
    assert np.isnan(diagonal(maps)).all()
