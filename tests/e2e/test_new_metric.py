"""One function and one line of registration: a metric of one's own, everywhere."""

import json
import urllib.parse
import urllib.request

import lightning as L
import numpy as np
import pytest
from playwright.sync_api import expect

from attn_monitor import AttentionMonitor, metric, open_run
from attn_monitor.analysis.metrics import registry
from tests.e2e.conftest import serve
from tests.e2e.hands import choose_view, layer_controls, order_of_maps, until_equal
from tests.tiny_lightning import Tiny, loaders, trainer, words


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """A run that was recorded while a metric nobody has heard of was registered."""
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    @metric("peak", title="Peak", unit="share", low=0, high=1, reading="1: one key, once.")
    def peak(maps):
        return maps.attn.max(axis=(1, 2))

    L.seed_everything(3, verbose=False)
    trainer(
        tmp_path / "logs",
        AttentionMonitor(
            tokens=words, probes=3, train_probes=1, signal_sentences=0, log_scalars="all"
        ),
    ).fit(Tiny(), *loaders())
    return tmp_path / "logs"


def test_a_new_metric_is_scalar_sort_key_and_life_line_without_another_file(logs, open_tab):
    recording = open_run(logs / "lightning_logs" / "version_0")
    place = [spec.name for spec in recording.metrics].index("peak")
    peaks = recording.metric_values(part="encoder", probe=0)[..., place]
    with serve(logs, "--load_fast=false") as url:
        tab = open_tab(url).wait_until_drawn()

        query = urllib.parse.urlencode(
            {"run": "lightning_logs/version_0", "tag": "z_attention/peak/encoder_L2"}
        )
        with urllib.request.urlopen(f"{url}data/plugin/scalars/scalars?{query}") as reply:
            scalars = {step: value for _, step, value in json.load(reply)}
        assert list(scalars) == list(recording.steps)
        expected = recording.metric("peak", part="encoder")[:, 1].mean(axis=-1)
        np.testing.assert_allclose(list(scalars.values()), expected, rtol=1e-5)

        layer_controls(tab, 1).get_by_role("button", name="Maps").click()
        layer_controls(tab, 1).get_by_label("Sort heads by").select_option(label="Peak")
        expect(layer_controls(tab, 1)).to_contain_text("by Peak", use_inner_text=True)
        wanted = np.argsort(peaks[-1, 1], kind="stable").tolist()
        until_equal(tab, lambda: (order_of_maps(tab, 1), wanted))

        choose_view(tab, "Heads")
        tab.frame.get_by_label("Metric", exact=True).select_option(label="Peak")
        line = tab.frame.locator('.cell[data-layer="1"][data-head="0"]')
        until_equal(
            tab,
            lambda: (
                float(line.get_attribute("data-value")),
                pytest.approx(float(peaks[-1, 1, 0]), abs=1e-6),
            ),
        )
        assert "Peak" in line.get_attribute("aria-label")
