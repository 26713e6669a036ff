"""Permutation tests against scipy, against counting every deal, and against uniform p-values."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from attn_monitor.signals.permutation import deals, mean_differences, p_larger, welch_t


def test_the_first_deal_is_the_observed_one_and_all_deals_have_its_sizes():
    member = deals(4, 7, shuffles=50)
    assert member[0].tolist() == [1] * 4 + [0] * 7
    assert set(member.sum(axis=1)) == {4}
    assert len({tuple(row) for row in member}) > 45


def test_welch_t_is_scipy_s():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(9, 5)), rng.normal(1, 3, size=(14, 5))
    member = deals(9, 14, shuffles=3)
    found = welch_t(member, np.concatenate([a, b]))
    np.testing.assert_allclose(found[0], stats.ttest_ind(a, b, equal_var=False).statistic)
    dealt = member[2].astype(bool)
    both = np.concatenate([a, b])
    wanted = stats.ttest_ind(both[dealt], both[~dealt], equal_var=False).statistic
    np.testing.assert_allclose(found[2], wanted)


def test_a_difference_of_means_is_one():
    values = np.array([[1.0], [2.0], [3.0], [10.0]])
    assert mean_differences(deals(3, 1, shuffles=1), values)[0, 0] == pytest.approx(2 - 10)


def test_p_approaches_the_share_of_all_deals():
    """[1, 2, 3] and [4, 5, 6]: 2 of 20 deals are as far apart, one of them in this direction."""
    values = np.arange(1.0, 7.0)[:, None]
    member = deals(3, 3, shuffles=9999)
    t = welch_t(member, values)
    assert abs(t[0, 0]) == pytest.approx(3.674235, abs=1e-6)
    assert p_larger(np.abs(t))[0] == pytest.approx(0.1, abs=0.01)
    assert p_larger(-t)[0] == pytest.approx(0.05, abs=0.01)
    far = [abs(np.mean(c) - np.mean(list({1, 2, 3, 4, 5, 6} - set(c))))
           for c in combinations(range(1, 7), 3)]  # fmt: skip
    assert np.mean(np.array(far) >= 3 - 1e-9) == 0.1


def test_p_is_uniform_when_the_sets_do_not_differ():
    rng = np.random.default_rng(1)
    values = rng.gamma(2.0, size=(40, 1500))  # skewed, as entropies are
    p = p_larger(welch_t(deals(16, 24), values))
    assert stats.kstest(p, "uniform").pvalue > 0.01
    for alpha in (0.01, 0.05, 0.2):
        assert stats.binomtest(int((p <= alpha).sum()), len(p), alpha).pvalue > 0.001


def test_a_planted_difference_is_found():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(48, 300))
    values[:24] += 1.2
    p = p_larger(welch_t(deals(24, 24), values))
    assert (p < 0.01).mean() > 0.9  # a t-test of this size has power 0.95


def test_equal_sentences_give_no_difference():
    t = welch_t(deals(5, 5), np.full((10, 2), 0.3))
    assert (t == 0).all()
    assert (p_larger(t) == 1).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.floats(-50, 50), st.floats(0.01, 100))
def test_t_does_not_depend_on_where_and_how_large_the_numbers_are(first, second, shift, scale):
    values = np.random.default_rng(first).normal(size=(first + second, 2))
    member = deals(first, second, shuffles=20)
    np.testing.assert_allclose(
        welch_t(member, values), welch_t(member, values * scale + shift), rtol=1e-5, atol=1e-6
    )
