"""Redundant pairs and idle heads, planted among random ones."""

import numpy as np
import pytest

from attn_monitor.analysis.methods.pairs import row_jsd
from attn_monitor.analysis.methods.redundancy import idle_heads, redundant_pairs
from attn_monitor.core.maps import Maps

TOKENS, HEADS, LAYERS = 12, 4, 3


def random_rows(rng, shape, *, causal):
    scores = 3 * rng.normal(size=shape)
    if causal:
        scores = np.where(np.tri(shape[-1], dtype=bool), scores, -np.inf)
    weights = np.exp(scores)
    return weights / weights.sum(axis=-1, keepdims=True)


def sentences(*, causal, count=3):
    """L1 H2 and L3 H4 are the same; L2 H1 looks at key 5, L2 H3 evenly."""
    found = []
    for seed in range(count):
        attn = random_rows(
            np.random.default_rng(seed), (LAYERS, HEADS, TOKENS, TOKENS), causal=causal
        )
        attn[2, 3] = attn[0, 1]
        even = np.tri(TOKENS) if causal else np.ones((TOKENS, TOKENS))
        attn[1, 2] = even / even.sum(axis=-1, keepdims=True)
        if not causal:
            attn[1, 0] = 0.02 / (TOKENS - 1)
            attn[1, 0, :, 5] = 0.98
        found.append([Maps(attn=layer, causal=causal) for layer in attn])
    return found


@pytest.mark.parametrize("causal", [False, True])
def test_the_planted_pair_comes_first_and_distances_are_those_of_all_pairs(causal):
    given = sentences(causal=causal)
    pairs = redundant_pairs(given, most=1000)
    assert (pairs[0].first, pairs[0].second) == ((0, 1), (2, 3))
    assert pairs[0].distance == pytest.approx(0, abs=1e-6)
    heads = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
    assert len(pairs) == len(heads) * (len(heads) - 1) // 2
    assert [p.distance for p in pairs] == sorted(p.distance for p in pairs)
    rows = slice(1, None) if causal else slice(None)  # the first query of a causal head: no choice
    for pair in pairs[::7]:
        expected = np.mean(
            [
                np.sqrt(
                    row_jsd(
                        layers[pair.first[0]].attn[pair.first[1]][rows],
                        layers[pair.second[0]].attn[pair.second[1]][rows],
                    )
                ).mean()
                for layers in given
            ]
        )
        assert pair.distance == pytest.approx(expected, abs=1e-9)


def test_fewer_pairs_are_the_nearest_of_all():
    given = sentences(causal=False)
    every = redundant_pairs(given, most=1000)
    assert redundant_pairs(given, most=5) == every[:5]


def test_a_head_that_reads_one_key_and_one_that_averages_are_idle():
    one, even = idle_heads(sentences(causal=False))
    assert (one.layer, one.head, one.kind, one.place) == (1, 0, "one_place", 5)
    assert one.measure == pytest.approx(0.98)
    assert (even.layer, even.head, even.kind, even.place) == (1, 2, "even", None)
    assert even.measure == pytest.approx(0, abs=1e-6)


def test_even_is_even_over_the_keys_that_a_causal_query_sees():
    assert [(h.layer, h.head, h.kind) for h in idle_heads(sentences(causal=True))] == [
        (1, 2, "even")
    ]


def test_undefined_heads_are_in_no_pair_and_not_idle():
    given = sentences(causal=False, count=1)
    given[0][0].attn[1] = np.nan
    pairs = redundant_pairs(given, most=1000)
    assert all((0, 1) not in (pair.first, pair.second) for pair in pairs)
    assert np.isfinite([pair.distance for pair in pairs]).all()
    assert len(idle_heads(given)) == 2


def test_a_sentence_of_one_token_says_nothing():
    alone = [[Maps(attn=np.ones((2, 1, 1)))]]
    assert redundant_pairs(alone) == ()
    assert idle_heads(alone) == ()
