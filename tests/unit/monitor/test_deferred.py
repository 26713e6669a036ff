"""Metrics computed later are the metrics computed at once."""

import numpy as np
import pytest

from attn_monitor.analysis import compute_metrics, metric_specs, registered_metrics
from attn_monitor.analysis.metrics.metric_set import Metric, MetricSet
from attn_monitor.core.maps import Maps, MapsByRows
from attn_monitor.core.nouns import MetricSpec
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


def test_a_map_too_large_to_wait_leaves_room_for_smaller_ones():
    (large,), (small,) = some_maps(1, tokens=9), some_maps(1, tokens=3)
    table = tables(2)
    deferred = Deferred(registered_metrics(), limit=small.attn.nbytes)
    deferred.add(large, table[0])
    deferred.add(small, table[1])
    np.testing.assert_array_equal(np.isnan(table).all(axis=(1, 2)), [False, True])


def test_rows_that_are_made_while_the_model_runs_do_not_wait():
    (maps,), table = some_maps(1), tables(1)[0]
    by_rows = MapsByRows(shape=(2, 5, 5), rows=lambda first, end: maps.attn[:, first:end])
    Deferred(registered_metrics()).add(by_rows, table)
    np.testing.assert_allclose(table, compute_metrics(maps), atol=1e-6)


def test_of_several_errors_the_first_is_raised():
    def fails(maps):
        raise ValueError(f"{maps.keys} keys")

    spec = MetricSpec(name="bad", title="", unit="", low=None, high=None, reading="")
    deferred = Deferred(MetricSet((Metric(spec=spec, function=fails),)))
    for tokens in (3, 4):
        deferred.add(some_maps(1, tokens=tokens)[0], np.empty((2, 1), dtype=np.float32))
    with pytest.raises(ValueError, match="3 keys"):
        deferred.finish()
