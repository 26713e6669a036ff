import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from sample_maps import layers, one_head, one_hot_rows, random_attention

from attn_monitor.analysis.methods.patterns import PATTERNS, name_patterns, pattern_scores
from attn_monitor.core.maps import Maps

N = 12
PLANTED = {
    "self": list(range(N)),
    "previous": [0, *range(N - 1)],
    "next": [*range(1, N), N - 1],
    "one word": [4] * N,
    "block": [1, 1, 1, 4, 4, 4, 4, 8, 8, 8, 11, 11],
}


def noisy(attn, share, seed):
    """Replace a share of every row by random attention."""
    return (1 - share) * attn + share * random_attention(seed, *attn.shape, sharpness=1.0)


@pytest.mark.parametrize("pattern", PLANTED)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_planted_patterns_are_named_right(pattern, share):
    for seed in range(10):
        planted = noisy(one_hot_rows(PLANTED[pattern], keys=N), share, seed)
        scores = pattern_scores(one_head(planted))
        assert name_patterns(scores) == (pattern,)
        assert scores[0, PATTERNS.index(pattern)] >= 1 - share


@pytest.mark.parametrize("pattern", PLANTED)
def test_a_clean_pattern_scores_1(pattern):
    scores = pattern_scores(one_head(one_hot_rows(PLANTED[pattern], keys=N)))
    assert scores[0, PATTERNS.index(pattern)] == pytest.approx(1)


def test_an_even_spread_has_no_name():
    scores = pattern_scores(one_head(np.full((N, N), 1 / N)))
    np.testing.assert_allclose(scores, 1 / N)
    assert name_patterns(scores) == (None,)


def test_encoder_decoder_attention_knows_only_the_common_word():
    bar = np.zeros((1, 3, 5))
    bar[:, :, 2] = 1
    scores = pattern_scores(Maps(attn=bar, cross=True))
    np.testing.assert_array_equal(np.isnan(scores), [[True, True, True, False, True]])
    assert name_patterns(scores) == ("one word",)


def test_a_head_without_any_defined_score_has_no_name():
    assert name_patterns(np.full((1, 5), np.nan)) == (None,)


@given(layers())
def test_scores_lie_between_0_and_1(maps):
    scores = pattern_scores(maps)
    defined = scores[~np.isnan(scores)]
    assert np.all((defined >= 0) & (defined <= 1 + 1e-12))


@settings(max_examples=30)
@given(layers(cross=False, max_heads=1, max_tokens=8))
def test_the_block_score_is_the_best_of_all_cuts(maps):
    n, attn = maps.keys, maps.attn[0]
    best = 0.0
    for inner in itertools.chain.from_iterable(
        itertools.combinations(range(2, n - 1), cuts) for cuts in range(1, n)
    ):
        ends = [0, *inner, n]
        blocks = list(itertools.pairwise(ends))
        if all(end - start >= 2 for start, end in blocks):
            held = sum(attn[start:end, start:end].sum(axis=0).max() for start, end in blocks)
            best = max(best, held / n)
    assert pattern_scores(maps)[0, 4] == pytest.approx(best)


def test_sentences_too_short_for_two_blocks_have_no_block():
    assert pattern_scores(one_head(np.eye(3)))[0, 4] == 0


def test_a_head_that_diverged_has_no_pattern():
    scores = pattern_scores(one_head(np.full((5, 5), np.nan)))
    assert np.isnan(scores).all()
    assert name_patterns(scores) == (None,)
