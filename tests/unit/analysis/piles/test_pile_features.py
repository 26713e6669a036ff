import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_maps import A, B, one_hot_rows, random_attention

from attn_monitor.analysis.piles.features import pile_distances, pile_features
from attn_monitor.core.maps import Maps


def pair(cross=False):
    return Maps(attn=np.stack([A, B]), cross=cross)


def test_raw_features_are_the_flattened_map_and_its_three_sums():
    features = pile_features(pair(), scale="raw")[0]
    np.testing.assert_allclose(features[:9], A.ravel())
    np.testing.assert_allclose(features[9:], [0.5, 0.4, 2.1])


def test_distances_of_the_worked_example():
    raw = pile_distances([pair()], scale="raw")
    np.testing.assert_allclose(raw, [[0, 1.176860], [1.176860, 0]], atol=1e-6)
    map_alone = pile_distances([pair(cross=True)], scale="raw")
    np.testing.assert_allclose(map_alone[0, 1], 0.874643, atol=1e-6)


def test_normalised_features_agree_with_a_slow_loop():
    features = pile_features(pair())[0]
    np.testing.assert_allclose(features[:9], A.ravel() / np.sqrt(6))
    shares = [0.5 / 3, 0.4 / 3, 2.1 / 3]
    np.testing.assert_allclose(features[9:], np.sqrt(0.5) * np.array(shares))


@given(st.integers(2, 12))
def test_opposite_heads_are_equally_far_apart_whatever_the_length(n):
    bar = one_hot_rows([0] * n, keys=n)
    diagonal = np.eye(n)
    apart = pile_distances([Maps(attn=np.stack([bar, diagonal]))])[0, 1]
    share = (n - 1) / n
    assert apart == pytest.approx(np.sqrt(share + share**2))


def test_several_sentences_are_averaged_as_squares_and_never_padded():
    short = Maps(attn=random_attention(0, 3, 4, 4))
    long = Maps(attn=random_attention(1, 3, 9, 9))
    together = pile_distances([short, long])
    alone = [pile_distances([short]), pile_distances([long])]
    np.testing.assert_allclose(together, np.sqrt(np.mean(np.square(alone), axis=0)))


@given(st.integers(0, 1000))
def test_permuting_heads_permutes_the_distances(seed):
    maps = Maps(attn=random_attention(seed, 4, 5, 5))
    order = np.random.default_rng(seed).permutation(4)
    moved = Maps(attn=maps.attn[order])
    np.testing.assert_allclose(
        pile_distances([moved]), pile_distances([maps])[order][:, order], atol=1e-12
    )


def test_equal_heads_are_exactly_at_distance_0():
    attn = random_attention(0, 1, 6, 6).astype(np.float32)
    assert not pile_distances([Maps(attn=np.repeat(attn, 3, axis=0))]).any()


def test_encoder_decoder_heads_pile_on_the_map_alone():
    maps = Maps(attn=random_attention(0, 2, 3, 5), cross=True)
    assert pile_features(maps).shape == (2, 15)
    assert pile_distances([maps])[0, 1] > 0


def test_a_layer_of_one_head_has_one_distance():
    assert pile_distances([Maps(attn=A[None])]).tolist() == [[0.0]]


def test_piles_of_nothing_are_refused():
    with pytest.raises(ValueError, match="piles need at least one sentence; got none"):
        pile_distances([])
