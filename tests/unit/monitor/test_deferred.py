"""What is computed later is what would have been computed at once, in bounded memory."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from attn_monitor.analysis import compute_metrics, metric_specs, registered_metrics
from attn_monitor.analysis.metrics.metric_set import Metric, MetricSet
from attn_monitor.capture import capture
from attn_monitor.capture.copies import bytes_of_copy
from attn_monitor.core.maps import Maps, MapsByRows
from attn_monitor.core.nouns import MetricSpec
from attn_monitor.monitor.deferred import Calls, Deferred


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


def test_maps_that_somebody_keeps_are_neither_copied_nor_counted():
    maps, table = some_maps(3), tables(3)
    kept = [one.attn.copy() for one in maps]
    deferred = Deferred(registered_metrics(), limit=0)
    wanted = [compute_metrics(one) for one in maps]
    for one, place, there in zip(maps, table, kept, strict=True):
        deferred.add(one, place, kept=there)
        one.attn[:] = 0  # whoever made them makes the next ones there
    assert np.isnan(table).all()
    assert deferred.nbytes == 0
    deferred.finish()
    np.testing.assert_allclose(table, wanted, rtol=1e-6)


def records(count=3):
    """Call ``look`` with the records of as many layers, while the model runs."""
    torch.manual_seed(0)
    layers = [nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(count)]
    model = nn.ModuleList(layers).eval()

    def run(sink):
        with torch.no_grad(), capture(model, sink=sink, verify=False) as seen:
            tokens = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))
            for layer in model:
                tokens, _ = layer(tokens, tokens, tokens, need_weights=False)
        assert seen.errors == []

    return run


def test_calls_wait_up_to_a_limit_and_show_the_same_later():
    run, at_once, later, sizes = records(), [], [], []
    run(lambda record: at_once.append(record.weights().clone()))
    run(lambda record: sizes.append(bytes_of_copy(record)))
    calls = Calls(limit=2 * sizes[0])
    run(lambda record: calls.add(record, lambda found: later.append(found.weights())))
    assert (len(calls), calls.nbytes, len(later)) == (2, 2 * sizes[0], 1)
    torch.testing.assert_close(later[0], at_once[2])
    calls.finish()
    torch.testing.assert_close(later[1:], at_once[:2])
    assert calls.nbytes == len(calls) == 0


def test_calls_of_a_pass_that_is_repeated_are_forgotten():
    seen, calls, run = [], Calls(), records()
    run(lambda record: calls.add(record, lambda found: seen.append(("first", found.module))))
    calls.forget(1)
    run(lambda record: calls.add(record, lambda found: seen.append(("second", found.module))))
    calls.finish()
    assert seen == [("first", "0"), ("second", "0"), ("second", "1"), ("second", "2")]
    assert calls.nbytes == 0


def test_a_call_that_fails_costs_no_other():
    seen, calls = [], Calls()

    def look(record):
        seen.append(record.module)
        if record.module == "1":
            raise ValueError("no maps of this")

    records()(lambda record: calls.add(record, look))
    with pytest.raises(ValueError, match="no maps of this"):
        calls.finish()
    assert seen == ["0", "1", "2"]


ENDING = """
import threading
import torch
from torch import nn
from attn_monitor.capture import capture
from attn_monitor.monitor.deferred import Calls

calls, begun, large = Calls(), threading.Event(), torch.randn(300, 300)

def look(record):
    begun.set()
    for _ in range(20):
        large @ large

layer = nn.MultiheadAttention(8, 2, batch_first=True).eval()
with torch.no_grad(), capture(layer, sink=lambda r: calls.add(r, look), verify=False):
    for _ in range(3000):
        tokens = torch.randn(2, 5, 8)
        layer(tokens, tokens, tokens, need_weights=False)
assert len(calls) == 3000
threading.Thread(target=calls.finish, daemon=True).start()
begun.wait()
"""


def test_a_process_that_ends_while_calls_are_looked_at_ends_well():
    ended = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
