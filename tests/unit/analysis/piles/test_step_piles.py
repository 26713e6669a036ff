from dataclasses import replace

import numpy as np
import pytest
from sample_maps import one_hot_rows, random_attention
from scipy.spatial.distance import jensenshannon

from attn_monitor.analysis.methods.pairs import head_change
from attn_monitor.analysis.piles.over_time import step_changes, step_piles
from attn_monitor.core.maps import Maps


def sentences(kind, noise=0.0, seed=0, *, causal=False):
    maps = []
    for n in (5, 8):
        choices = {"bar": [0] * n, "diagonal": list(range(n))}[kind]
        mixed = random_attention(seed + n, n, n, sharpness=1.0)
        attn = (1 - noise) * one_hot_rows(choices, n) + noise * mixed
        maps.append(Maps(attn=attn[None], causal=causal))
    return maps


def test_a_head_that_changes_its_mind_once_makes_two_piles():
    steps = [sentences("bar", 0.1, seed) for seed in range(4)]
    steps += [sentences("diagonal", 0.1, seed) for seed in range(3)]
    piles = step_piles(steps, cut=0.45)
    assert [(pile.first, pile.last) for pile in piles] == [(0, 3), (4, 6)]


def test_a_pile_shows_the_mean_of_its_steps():
    steps = [sentences("bar", 0.2, seed) for seed in range(5)]
    (pile,) = step_piles(steps, cut=1.0)
    for place in range(2):
        expected = np.mean([step[place].attn for step in steps], axis=0)
        np.testing.assert_allclose(pile.maps[place].attn, expected)


def test_cut_0_keeps_apart_whatever_differs_and_cut_1_keeps_everything():
    steps = [sentences("bar"), sentences("bar"), sentences("diagonal")]
    assert [(p.first, p.last) for p in step_piles(steps, cut=0.0)] == [(0, 1), (2, 2)]
    assert len(step_piles(steps, cut=1.0)) == 1
    assert step_piles([], cut=0.5) == ()


def test_changes_agree_with_scipy():
    steps = [sentences("bar", 0.5, seed) for seed in range(3)]
    expected = [
        np.mean(
            [
                np.mean(jensenshannon(a.attn, b.attn, base=2, axis=-1))
                for a, b in zip(steps[k], steps[k + 1], strict=True)
            ]
        )
        for k in range(2)
    ]
    np.testing.assert_allclose(step_changes(steps), expected)
    assert step_changes(steps[:1]).shape == (0,)


def test_a_change_over_time_is_the_change_between_two_steps():
    steps = [sentences("bar", 0.5, seed, causal=True) for seed in range(2)]
    each = [head_change(one, other)[0] for one, other in zip(*steps, strict=True)]
    np.testing.assert_allclose(step_changes(steps), [np.mean(each)])


def test_a_step_that_cannot_be_compared_is_a_pile_of_its_own():
    broken = [replace(maps, attn=np.full_like(maps.attn, np.nan)) for maps in sentences("bar")]
    steps = [sentences("bar"), broken, sentences("bar"), sentences("bar")]
    assert [(p.first, p.last) for p in step_piles(steps, cut=1.0)] == [(0, 0), (1, 1), (2, 3)]
    np.testing.assert_array_equal(np.isnan(step_changes(steps)), [True, True, False])


def test_steps_of_other_sentences_are_refused():
    with pytest.raises(ValueError, match="pile steps of the same probes"):
        step_changes([sentences("bar"), sentences("bar")[:1]])
