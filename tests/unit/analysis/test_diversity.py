import numpy as np
from hypothesis import given
from sample_maps import A, B, layers, one_head, one_hot_rows
from scipy.spatial.distance import jensenshannon

from attn_monitor.analysis.metrics.diversity import head_diversity
from attn_monitor.core.maps import Maps


def test_head_diversity_of_the_worked_example():
    pair = Maps(attn=np.stack([A, B]))
    np.testing.assert_allclose(head_diversity(pair), [0.206036, 0.206036], atol=1e-6)


@given(layers(max_heads=1, causal=False))
def test_for_two_heads_it_is_the_squared_jensen_shannon_distance(maps):
    other = maps.attn[:, ::-1, ::-1]
    pair = Maps(attn=np.concatenate([maps.attn, other]))
    bits = jensenshannon(maps.attn[0], other[0], base=2, axis=-1) ** 2
    np.testing.assert_allclose(head_diversity(pair), np.mean(bits), atol=1e-7)


@given(layers())
def test_equal_heads_have_no_diversity(maps):
    same = Maps(attn=np.repeat(maps.attn[:1], 3, axis=0), causal=maps.causal)
    np.testing.assert_allclose(head_diversity(same), 0, atol=1e-12)


def test_heads_that_never_share_a_key_have_diversity_1():
    attn = np.stack([one_hot_rows([key] * 4, keys=4) for key in range(4)])
    np.testing.assert_allclose(head_diversity(Maps(attn=attn)), 1)


def test_a_layer_of_one_head_has_no_diversity():
    assert head_diversity(one_head(A)) == 0


def test_rows_without_a_choice_do_not_dilute_a_causal_layer():
    attn = np.stack([one_hot_rows([0, 0, 0], keys=3), one_hot_rows([0, 1, 1], keys=3)])
    np.testing.assert_allclose(head_diversity(Maps(attn=attn, causal=True)), 1)
