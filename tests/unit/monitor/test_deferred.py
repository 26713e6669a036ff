"""Metrics computed later are the metrics computed at once."""

import numpy as np
import pytest

from attn_monitor.analysis import compute_metrics, metric_specs, registered_metrics
from attn_monitor.core.maps import Maps
from attn_monitor.monitor.deferred import Deferred


def some_maps(count, *, heads=2, tokens=5, seed=0):
    random = np.random.default_rng(seed)
    attn = random.dirichlet(np.ones(tokens), (count, heads, tokens)).astype(np.float32)
    return [Maps(attn=one) for one in attn]


def tables(count, *, heads=2):
    return np.full((count, heads, len(metric_specs())), np.nan, dtype=np.float32)


@pytest.mark.parametrize("limit", [0, 500, 1 << 20])
def test_metrics_are_the_same_whether_they_wait_or_not(limit):
    maps, table = some_maps(7), tables(7)
    deferred = Deferred(registered_metrics(), limit=limit)
    for one, place in zip(maps, table, strict=True):
        deferred.add(one, place)
    deferred.finish()
    np.testing.assert_array_equal(table, [compute_metrics(one) for one in maps])


def test_no_more_than_the_limit_waits():
    maps, table = some_maps(3), tables(3)
    deferred = Deferred(registered_metrics(), limit=2 * maps[0].attn.nbytes)
    for one, place in zip(maps, table, strict=True):
        deferred.add(one, place)
    waiting = np.isnan(table).all(axis=(1, 2))
    np.testing.assert_array_equal(waiting, [True, True, False])


def test_a_sentence_that_fails_costs_no_other_its_metrics():
    maps, table = some_maps(3), tables(3)
    deferred = Deferred(registered_metrics())
    deferred.add(maps[0], table[0])
    deferred.add(maps[1], table[1][:, :2])  # too narrow for its metrics
    deferred.add(maps[2], table[2])
    with pytest.raises(ValueError, match="could not broadcast"):
        deferred.finish()
    np.testing.assert_array_equal(table[2], compute_metrics(maps[2]))


def test_finishing_twice_changes_nothing():
    maps, table = some_maps(1), tables(1)
    deferred = Deferred(registered_metrics())
    deferred.add(maps[0], table[0])
    deferred.finish()
    table[:] = 3
    deferred.finish()
    assert (table == 3).all()
