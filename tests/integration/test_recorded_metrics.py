"""Metrics of a recording: where they are computed, and what the user adds or switches on."""

import threading
import warnings

import numpy as np
import pytest

from attn_monitor import open_run
from attn_monitor.analysis import registry
from attn_monitor.analysis.topology import head_topology
from attn_monitor.monitor.failures import AttentionMonitorWarning
from tests.tiny_lightning import loaders
from tests.watched_training import fit, monitor, run_dir


@pytest.fixture
def own_registry():
    """Metrics registered by a test are gone after it."""
    before = dict(registry._entries)
    yield
    registry._entries.clear()
    registry._entries.update(before)


@pytest.mark.usefixtures("own_registry")
def test_metrics_are_computed_beside_training_and_complete_after_it(tmp_path):
    threads = set()

    @registry.metric("peak", title="Peak", unit="share of attention", reading="1: one key, once.")
    def peak(maps):
        threads.add(threading.current_thread().name)
        return maps.attn.max(axis=(1, 2))

    _, run = fit(tmp_path, monitor())
    # Evenly spread attention, the baseline of the metric, is known before the first step.
    assert threads == {"attention-monitor", threading.current_thread().name}
    threads.clear()
    recorded = open_run(run_dir(run)).metric("peak", part="encoder")
    assert recorded.shape[0] == 3
    assert np.isfinite(recorded).all()
    assert not threads


@pytest.mark.usefixtures("own_registry")
def test_a_metric_that_fails_is_said_once_and_costs_no_maps(tmp_path):
    @registry.metric("broken", title="Broken", unit="none", reading="Never.")
    def broken(maps):
        if maps.attn.shape[0] > 1:  # not for the baseline
            raise ZeroDivisionError("the metric's own mistake")
        return np.zeros(1)

    watching = monitor()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        _, run = fit(tmp_path, watching, fails=True)
    texts = [str(w.message) for w in said if w.category is AttentionMonitorWarning]
    assert len(texts) == 1
    assert "while computing the metrics of step 0: ZeroDivisionError" in texts[0]
    assert watching.failures.count == 3
    recording = open_run(run_dir(run))
    assert recording.attention(step=0, probe=0, part="encoder", layer=0).shape[0] == 2


@pytest.mark.usefixtures("own_registry")
def test_topology_is_recorded_at_training_and_at_testing_time(tmp_path):
    model, run = fit(tmp_path, monitor(topology=True))
    run.test(model, loaders()[1], verbose=False)
    for where, steps in ((run_dir(run), 3), (run_dir(run) / "test", 1)):
        recording = open_run(where)
        part = "encoder"
        life = recording.metric("h0_life", part=part)
        assert life.shape == (steps, 2, 2)
        assert np.isfinite(life).all()
        assert ((life > 0) & (life < 1)).all()
        maps = [
            recording.attention(step=recording.steps[-1], probe=p.index, part=part, layer=1)
            for p in recording.probes
            if p.split == "val"
        ]
        expected = [
            [head_topology(head).component_statistics.life for head in probe] for probe in maps
        ]
        # The stored maps are 8-bit; the metric was computed on the floats.
        np.testing.assert_allclose(life[-1, 1], np.mean(expected, axis=0), atol=2e-3)
