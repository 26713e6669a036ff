import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attn_monitor.analysis.spread import spread
from attn_monitor.core.arrays import mean_of_defined

NUMBERS = st.floats(-1e6, 1e6) | st.just(float("nan"))
TABLES = arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=NUMBERS)


def test_the_band_holds_the_middle_half_of_the_sentences():
    values = np.arange(9.0)[None]
    found = spread(values)
    assert (found.sentences, found.mean[0], found.low[0], found.high[0]) == (9, 4.0, 2.0, 6.0)
    assert np.mean((values >= found.low) & (values <= found.high)) == pytest.approx(5 / 9)


@given(TABLES)
def test_mean_and_band_are_numpys_own_without_the_undefined_sentences(values):
    found = spread(values)
    for step, row in enumerate(values):
        if np.isnan(row).all():
            assert np.isnan([found.mean[step], found.low[step], found.high[step]]).all()
        else:
            np.testing.assert_allclose(found.mean[step], np.nanmean(row), rtol=1e-9, atol=1e-6)
            np.testing.assert_allclose(
                [found.low[step], found.high[step]], np.nanquantile(row, (0.25, 0.75)), rtol=1e-12
            )


@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_sentences_does_not_matter(values, random):
    order = list(range(values.shape[1]))
    random.shuffle(order)
    one, other = spread(values), spread(values[:, order])
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-9, atol=1e-6)
    np.testing.assert_array_equal(one.low, other.low)
    np.testing.assert_array_equal(one.high, other.high)


def test_means_over_several_axes_weigh_every_defined_value_alike():
    values = np.array([[[1.0, np.nan], [2.0, 6.0]], [[np.nan, np.nan], [np.nan, np.nan]]])
    np.testing.assert_array_equal(mean_of_defined(values, axes=(1, 2)), [3.0, np.nan])


def test_infinities_keep_the_band_that_they_leave():
    table = np.array([[np.inf] * 4, [1, 2, np.inf, np.inf], [-np.inf, 1, 2, 3]])
    found = spread(table)
    np.testing.assert_array_equal(found.low, [np.inf, 1.75, -np.inf])
    np.testing.assert_array_equal(found.high, [np.inf, np.inf, 2.25])
