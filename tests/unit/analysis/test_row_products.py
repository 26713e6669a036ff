"""Scalar products of rows, on a numpy that has a function for it and on one that has not."""

import numpy as np
import pytest

from attn_monitor.core.arrays import row_products


@pytest.mark.parametrize("old", [False, True])
def test_rows_are_multiplied_and_summed(old, monkeypatch):
    if old:
        monkeypatch.delattr(np, "vecdot")
    one, other = np.random.default_rng(0).random((2, 3, 4, 5))
    np.testing.assert_allclose(row_products(one, other), (one * other).sum(axis=-1), rtol=1e-12)
