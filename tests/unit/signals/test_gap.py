"""The gap between two sets of sentences, its intervals and the rule of several steps in a row."""

import numpy as np
import pytest

from attn_monitor.signals.gap import first_met, measure_gap


def sets(effect, *, steps=6, probes=30, seed=0):
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(1, 2 * probes))
    noise = own + 0.2 * rng.normal(size=(steps, 2 * probes))
    return noise[:, :probes] + np.asarray(effect)[:, None], noise[:, probes:]


def test_the_gap_is_the_difference_of_means_per_step():
    val, train = sets(np.zeros(6))
    found = measure_gap(val, train)
    np.testing.assert_allclose(found.gap, val.mean(axis=1) - train.mean(axis=1))
    np.testing.assert_allclose(found.val, val.mean(axis=1))
    np.testing.assert_allclose(found.train, train.mean(axis=1))


def test_intervals_hold_their_means_and_the_null_band_holds_zero():
    found = measure_gap(*sets(np.zeros(6)))
    for name in ("val", "train", "gap"):
        mean, low, high = (getattr(found, name + end) for end in ("", "_low", "_high"))
        assert ((low < mean) & (mean < high)).all()
    assert ((found.null_low < 0) & (found.null_high > 0)).all()


def test_bootstrap_intervals_are_as_wide_as_the_normal_ones():
    val, train = sets(np.zeros(2), steps=2, probes=200)
    found = measure_gap(val, train)
    wanted = 2 * 1.96 * val.std(axis=1) / np.sqrt(200)
    np.testing.assert_allclose(found.val_high - found.val_low, wanted, rtol=0.15)


def test_both_sets_are_resampled_apart():
    _, train = sets(np.zeros(2), steps=2, probes=200)
    found = measure_gap(train, train)  # the same numbers, of other sentences
    wanted = 2 * 1.96 * np.sqrt(2) * train.std(axis=1) / np.sqrt(200)
    np.testing.assert_allclose(found.gap_high - found.gap_low, wanted, rtol=0.2)


def test_the_null_band_is_where_95_percent_of_the_deals_lie():
    val, train = sets(np.linspace(0, 3, 3), steps=3)
    found = measure_gap(val, train)
    both = np.concatenate([val, train], axis=1)
    # The variance of the mean of n values drawn without replacement from 2 n (Cochran 1977, 2.2).
    spread = both.std(axis=1, ddof=1) * np.sqrt(2 / val.shape[1])
    np.testing.assert_allclose(found.null_high, 1.96 * spread, rtol=0.05)
    np.testing.assert_allclose(found.null_low, -1.96 * spread, rtol=0.05)


def test_a_gap_that_grows_is_significant_from_some_step_on_and_only_in_its_direction():
    effect = np.linspace(0, 3, 6)
    val, train = sets(effect)
    assert measure_gap(val, train).p[-1] == 0.0002
    assert measure_gap(val, train).p[0] > 0.01
    assert measure_gap(train, val).p[-1] > 0.99


def test_a_step_without_all_values_is_undefined_and_does_not_touch_the_others():
    val, train = sets(np.linspace(0, 3, 6))
    whole = measure_gap(val, train)
    val = val.copy()
    val[2, 5] = np.nan
    broken = measure_gap(val, train)
    assert np.isnan(broken.p[2])
    assert np.isnan(broken.gap[2])
    np.testing.assert_array_equal(np.delete(broken.p, 2), np.delete(whole.p, 2))


@pytest.mark.parametrize(
    ("met", "times", "at"),
    [
        ([0, 1, 1, 1], 2, 2),
        ([0, 1, 0, 1, 1], 2, 4),
        ([1, 0, 1, 0, 1], 2, None),
        ([0, 0, 1], 1, 2),
        ([], 1, None),
    ],
)
def test_a_rule_is_met_once_it_has_held_often_enough_in_a_row(met, times, at):
    assert first_met(np.array(met, dtype=bool), times=times) == at
