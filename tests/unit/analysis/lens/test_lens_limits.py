import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_monitor.analysis.lens.clusters import cluster_vectors
from attn_monitor.analysis.lens.compare import centroid_products, row_centred
from attn_monitor.analysis.lens.limits import table_limits


def groups(scale, tokens=40):
    return scale * np.eye(4)[np.tile(np.arange(4), tokens // 4)]


def test_limits_are_those_of_the_step_that_reaches_farthest():
    limits = table_limits([groups(1), groups(3)], [groups(1), groups(2)], k=4)
    assert limits.products == pytest.approx(6.0)
    assert limits.centred == pytest.approx(4.5)


@given(st.floats(0.01, 1000))
def test_they_are_rounded_up_by_less_than_a_tenth(scale):
    found = table_limits([groups(scale)], [groups(1)], k=4).products
    assert scale * (1 - 1e-9) <= found <= scale * 1.1 * (1 + 1e-9)


def test_few_tokens_stand_for_many():
    rng = np.random.default_rng(0)
    near = [3 * groups(1, 2000) + 0.1 * rng.normal(size=(2000, 4)) for _ in range(2)]
    whole = centroid_products(*(cluster_vectors(side, k=4) for side in near))
    limits = table_limits(near[:1], near[1:], k=4)
    assert limits.products == pytest.approx(np.abs(whole).max(), rel=0.1)
    assert limits.centred == pytest.approx(np.abs(row_centred(whole)).max(), rel=0.1)


def test_nothing_at_all_has_a_scale_of_one_and_no_step_is_refused():
    assert table_limits([np.zeros((3, 2))], [np.zeros((3, 2))]).products == 1.0
    with pytest.raises(ValueError, match="limits need the vectors of at least one step"):
        table_limits([], [])
