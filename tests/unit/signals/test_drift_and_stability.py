"""Drift since the best step, collapse of row entropy, growth of scores."""

import numpy as np
import pytest

from attn_monitor.core.nouns import MetricSpec
from attn_monitor.signals.drift import drift_since
from attn_monitor.signals.stability import entropy_collapse, logit_growth, logit_peak


def spec(name, low, high):
    low, high = (None if x is None else float(x) for x in (low, high))
    return MetricSpec(name=name, title=name, unit="", low=low, high=high, reading="")


def test_drift_is_the_mean_change_in_shares_of_each_range():
    specs = (spec("share", 0, 1), spec("offset", -1, 1), spec("count", 0, None))
    metrics = np.zeros((3, 1, 2, 3), dtype=np.float32)
    metrics[2, 0, 0] = (0.5, 0.4, 99.0)  # the count has no range
    mean, heads = drift_since(metrics, specs, 0)
    np.testing.assert_allclose(heads[2, 0], [(0.5 + 0.2) / 2, 0.0], rtol=1e-6)
    np.testing.assert_allclose(mean, [0, 0, 0.35 / 2], rtol=1e-6)


def test_undefined_metrics_do_not_drift():
    metrics = np.full((2, 1, 2, 2), np.nan, dtype=np.float32)
    metrics[:, 0, 0, 0] = (0.2, 0.6)
    mean, heads = drift_since(metrics, (spec("a", 0, 1), spec("b", 0, 1)), 0)
    assert mean[1] == pytest.approx(0.4)
    assert np.isnan(heads[1, 0, 1])


def entropies(*rows):
    return np.array(rows, dtype=float)[:, None, :]


def test_one_head_on_one_word_is_no_collapse():
    assert entropy_collapse(entropies([0.8, 0.9, 0.7], [0.01, 0.8, 0.6]), None).at is None


def test_collapse_is_dated_where_the_median_head_falls_to_nothing():
    found = entropy_collapse(entropies([0.8, 0.9, 0.7], [0.6, 0.6, 0.1], [0.04, 0.03, 0.5]), None)
    assert found.at == 2
    np.testing.assert_allclose(found.median, [0.8, 0.6, 0.04])
    np.testing.assert_allclose(found.lowest, [0.7, 0.1, 0.03])


def test_halving_counts_only_together_with_growing_scores():
    rows = entropies([0.8, 0.8], [0.3, 0.3])
    assert entropy_collapse(rows, entropies([5, 5], [9, 5])).at == 1
    assert entropy_collapse(rows, entropies([9, 5], [5, 5])).at is None


def test_growth_is_dated_where_the_largest_score_passes_the_line():
    peak = logit_peak(entropies([1, 2], [np.nan, np.nan], [60, 3]))
    np.testing.assert_array_equal(peak, [2, np.nan, 60])
    assert logit_growth(peak) == 2
    assert logit_growth(peak[:2]) is None
