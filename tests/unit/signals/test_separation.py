"""Separation by attention metrics: the written-out formula, uniform p-values, planted heads."""

import numpy as np
import pytest
from scipy import stats

from attn_monitor.signals.separation import separate


def metrics(probes, *, layers=2, heads=3, count=4, seed=0):
    return np.random.default_rng(seed).normal(size=(probes, layers, heads, count))


def test_the_statistic_of_two_triples_is_the_one_computed_by_hand():
    val = np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1)
    found = separate(val, val + 3, shuffles=999)
    assert found.statistic == pytest.approx(3.674235, abs=1e-6)
    assert found.p == pytest.approx(0.1, abs=0.03)


def test_the_statistic_is_the_mean_of_welch_t_over_all_columns():
    val, train = metrics(10), metrics(12, seed=1)
    t = stats.ttest_ind(val.reshape(10, -1), train.reshape(12, -1), equal_var=False).statistic
    assert separate(val, train).statistic == pytest.approx(np.abs(t).mean())


def test_p_is_uniform_when_the_sets_do_not_differ():
    p = []
    for seed in range(250):
        both = metrics(24, seed=seed)
        p.append(separate(both[:12], both[12:], shuffles=99).p)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert stats.binomtest(int((np.array(p) <= 0.05).sum()), 250, 0.05).pvalue > 0.001


def test_the_head_that_differs_stands_out_and_the_others_do_not():
    val, train = metrics(40), metrics(40, seed=1)
    train[:, 1, 2] += 1.0
    found = separate(val, train)
    assert np.unravel_index(found.heads.argmax(), found.heads.shape) == (1, 2)
    assert found.heads[1, 2] > 6
    assert np.abs(np.delete(found.heads.ravel(), 5)).max() < 4
    assert found.p == pytest.approx(1 / 200)
    assert found.statistic > found.high


def test_undefined_and_constant_numbers_are_left_out():
    val, train = metrics(10), metrics(10, seed=1)
    smaller = separate(val[..., 1:], train[..., 1:])
    val[3, 0, 0, 0] = np.nan
    val[:, 1, :, 0] = train[:, 1, :, 0] = 7.0
    val[:, 0, 1:, 0] = train[:, 0, 1:, 0] = 0.5
    assert separate(val, train).statistic == pytest.approx(smaller.statistic)


def test_a_head_that_never_varies_has_no_z():
    val, train = metrics(10), metrics(10, seed=1)
    val[:, 0, 1] = train[:, 0, 1] = 1.0
    heads = separate(val, train).heads
    assert np.isnan(heads[0, 1])
    assert np.isfinite(heads[1]).all()


def test_nothing_to_compare_is_not_a_difference():
    found = separate(np.ones((5, 1, 2, 3)), np.ones((5, 1, 2, 3)))
    assert found.p == 1.0
    assert np.isnan(found.statistic)
    assert np.isnan(found.heads).all()
