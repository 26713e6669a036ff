"""Metrics of a recording: where they are computed, and what the user adds or switches on."""

import threading
import warnings
from collections import Counter

import numpy as np
import pytest
import torch

from attn_monitor import AttentionRecorder, open_run
from attn_monitor.analysis import metric_specs
from attn_monitor.analysis.metrics import registry
from attn_monitor.analysis.topology import head_topology
from attn_monitor.monitor.failures import AttentionMonitorWarning
from tests.tiny_lightning import WORDS, Tiny, loaders, words
from tests.watched_training import fit, monitor, run_dir


def test_of_further_sentences_the_models_own_output_is_recorded_and_nothing_else(tmp_path):
    model, run = fit(tmp_path, monitor(lens_sentences=2, signal_sentences=9))
    recording = open_run(run_dir(run))
    counts = Counter(probe.split for probe in recording.probes)
    assert counts == {"val": 4, "train": 3, "lens": 2, "val_output": 3, "train_output": 6}
    for split in ("val_output", "train_output"):
        for at, probe in enumerate(p for p in recording.probes if p.split == split):
            ids = torch.tensor([[WORDS.index(text) for text in probe.source.text]])
            with torch.no_grad():
                chance = model.eval()(ids).softmax(-1)
            entropy = float(torch.special.entr(chance).sum() / np.log(2))
            written = recording.outputs("output_entropy", split=split)[-1, at]
            assert written == pytest.approx(entropy, abs=1e-5)
            kept = recording.kept(probe.index)
            assert (kept.form, kept.vectors) == ("metrics", False)
    for probe in recording.probes:
        measured = np.isfinite(recording.metric_values(part="encoder", probe=probe.index)).any()
        assert measured == (probe.split in {"val", "train"})
    for at, probe in enumerate(p for p in recording.probes if p.split == "val"):
        sizes = sizes_by_hand(model, [WORDS.index(text) for text in probe.source.text])
        for name, wanted in sizes.items():
            written = recording.metric_values(part="encoder", probe=probe.index)[-1, 0]
            column = [spec.name for spec in recording.metrics].index(name)
            np.testing.assert_allclose(
                written[:, column], wanted, rtol=1e-4, err_msg=f"{at} {name}"
            )


def test_training_is_the_same_when_every_head_is_muted_at_every_step(tmp_path):
    plain, _ = fit(tmp_path / "plain")
    watching = monitor(importance="last")
    watched, run = fit(tmp_path / "watched", watching)
    assert plain.losses == watched.losses
    assert all(
        torch.equal(a, b)
        for a, b in zip(plain.state_dict().values(), watched.state_dict().values(), strict=True)
    )
    recording = open_run(run_dir(run))
    *before, last = map(recording.importance, recording.steps)
    assert before == [None, None]
    # The loss that the step logs, of the very sentences that were drawn.
    probes = [probe for probe in recording.probes if probe.split == "val"]
    ids = [torch.tensor([WORDS.index(text) for text in probe.source.text]) for probe in probes]
    labels = torch.tensor([int((each == 4).any()) for each in ids])
    padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
    with torch.no_grad():
        wanted = torch.nn.functional.cross_entropy(watched.eval()(padded), labels)
    assert (last.unit, len(last.heads)) == ("loss", 4)
    assert last.loss == pytest.approx(float(wanted), abs=1e-6)
    assert watched.validated == plain.validated  # the step's own memory of what it validated


def sizes_by_hand(model, ids):
    """Return what the heads of the first layer handle of one sentence, without padding."""
    attention = model.encoder.layers[0].self_attn
    with torch.no_grad():
        rows = model.embed.weight[ids].double() @ attention.in_proj_weight.double().T
        rows = rows + attention.in_proj_bias.double()
        query, key, value = (x.reshape(-1, 2, 8).transpose(0, 1) for x in rows.chunk(3, dim=-1))
        scores = query @ key.transpose(1, 2) / np.sqrt(8)
        mixed = scores.softmax(-1) @ value
        slices = attention.out_proj.weight.double().T.reshape(2, 8, 16)
        writes = (mixed @ slices).norm(dim=-1).mean(-1)
    return {
        "writes": writes,
        "writes_share": writes / writes.sum(),
        "reads": mixed.norm(dim=-1).mean(-1),
        "query_norm": query.norm(dim=-1).mean(-1),
        "key_norm": key.norm(dim=-1).mean(-1),
        "value_norm": value.norm(dim=-1).mean(-1),
        "logit_mean": scores.mean(dim=(1, 2)),
        "logit_max": scores.amax(dim=(1, 2)),
    }


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


@pytest.mark.usefixtures("own_registry")
def test_recordings_side_by_side_have_the_metrics_each_of_them_began_with(tmp_path):
    few = {"tokens": words, "probes": 2, "train_probes": 0, "lens_sentences": 0}
    defaults = metric_specs()
    model, batches = Tiny(), loaders()[1]

    def begin(name, **options):
        return AttentionRecorder(model, batches, log_dir=tmp_path / name, **few, **options)

    with begin("with", topology=True) as first, begin("without") as second:
        first.record(step=0, epoch=0)
        second.record(step=0, epoch=0)
        registry.metric("late", title="Late", unit="1", reading="-")(
            lambda maps: maps.attn[:, 0, 0]
        )
        with begin("later") as third:
            for recorder in (first, second, third):
                recorder.record(step=1, epoch=1)
                assert recorder.failures.count == 0
    topology = ("h0_life", "h0_evenness", "h1_count", "h1_life", "h1_midlife")
    names = tuple(spec.name for spec in defaults)
    for name, steps, columns in (
        ("with", (0, 1), names + topology),
        ("without", (0, 1), names),
        ("later", (1,), (*names, "late")),
    ):
        run = open_run(tmp_path / name)
        assert run.steps == steps
        assert tuple(spec.name for spec in run.metrics) == columns
        assert np.isfinite(
            run.metric(columns[-1] if name == "later" else "sink", part="encoder")
        ).all()
