"""Scalar products of rows, on a numpy that has a function for it or not, and largest entries."""

import numpy as np
import pytest

from attn_monitor.core.arrays import row_maxima, row_products


@pytest.mark.parametrize("old", [False, True])
def test_rows_are_multiplied_and_summed(old, monkeypatch):
    if old:
        monkeypatch.delattr(np, "vecdot")
    one, other = np.random.default_rng(0).random((2, 3, 4, 5))
    np.testing.assert_allclose(row_products(one, other), (one * other).sum(axis=-1), rtol=1e-12)


@pytest.mark.parametrize("keys", [1, 2, 8, 9, 17, 33, 255, 256, 257])
def test_the_largest_entry_of_a_row_is_found_wherever_it_is(keys):
    rows = np.random.default_rng(keys).random((2, keys, keys)) / 2
    rows[:, np.arange(keys), np.arange(keys)] = 1
    np.testing.assert_array_equal(row_maxima(rows), np.ones((2, keys)))
    np.testing.assert_array_equal(row_maxima(rows / 3), (rows / 3).max(axis=-1))
    rows[1, :, -1] = np.nan
    assert np.isnan(row_maxima(rows)[1]).all()
    assert not np.isnan(row_maxima(rows)[0]).any()
