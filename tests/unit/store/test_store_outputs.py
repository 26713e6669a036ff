"""Numbers about the model's output: written with the metrics, read per step and probe."""

from dataclasses import replace

import numpy as np
import pytest
from recordings import METRICS, encoder_info, record, rewrite

from attn_monitor.core.errors import ConfigurationError, NotRecordedError
from attn_monitor.store import RunWriter, open_run

STATISTICS = METRICS[:2]


def info(**options):
    return replace(encoder_info(lengths=(4, 7, 5), **options), outputs=STATISTICS)


def answers(step, probes=3):
    return np.random.default_rng(step).random((probes, len(STATISTICS)))


def write(place, description, steps, *, rank=0, outputs=answers, **options):
    with RunWriter(place, description, rank=rank, **options) as writer:
        for step in steps:
            found = None if outputs is None else outputs(step)
            writer.write(replace(record(description, step), outputs=found))


def test_outputs_come_back_per_step_and_probe_of_a_split(tmp_path):
    write(tmp_path, info(), (0, 10, 20))
    run = open_run(tmp_path)
    assert run.output_specs == STATISTICS
    truth = np.stack([answers(step) for step in run.steps]).astype("f4")
    for at, spec in enumerate(STATISTICS):
        np.testing.assert_array_equal(run.outputs(spec.name), truth[:, :2, at])
        np.testing.assert_array_equal(run.outputs(spec.name, split="train"), truth[:, 2:, at])


def test_metrics_beside_outputs_are_what_they_are_without(tmp_path):
    write(tmp_path / "with", info(), (0, 10))
    write(tmp_path / "without", replace(info(), outputs=()), (0, 10), outputs=None)
    a, b = open_run(tmp_path / "with"), open_run(tmp_path / "without")
    np.testing.assert_array_equal(a.probe_metrics(part="encoder"), b.probe_metrics(part="encoder"))


def test_steps_recorded_before_outputs_were_are_nan_after_a_resume(tmp_path):
    write(tmp_path, replace(info(), outputs=()), (0, 10), outputs=None)
    write(tmp_path, info(), (20,), resume_step=10)
    run = open_run(tmp_path)
    assert run.steps == (0, 10, 20)
    found = run.outputs("row_entropy")
    assert np.isnan(found[:2]).all()
    np.testing.assert_array_equal(found[2], answers(20)[:2, 0].astype("f4"))


def test_a_recording_of_an_earlier_version_has_no_outputs_and_opens(tmp_path):
    write(tmp_path, info(), (0,))
    folder = tmp_path / "plugins" / "attn_monitor" / "rank_0000"
    for name in ("run.json", "commits.jsonl"):
        rewrite(folder / name, lambda document: document.pop("outputs"))
    run = open_run(tmp_path)
    assert run.output_specs == ()
    assert run.problems == ()
    with pytest.raises(NotRecordedError, match=r"no output statistic 'row_entropy' in this run"):
        run.outputs("row_entropy")


def test_each_rank_speaks_for_its_own_probes(tmp_path):
    write(tmp_path, info(), (0,))
    write(tmp_path, info(first_index=3), (0,), rank=1, outputs=lambda _: answers(99))
    run = open_run(tmp_path)
    truth = np.concatenate([answers(0)[:2], answers(99)[:2]])[:, 1].astype("f4")
    np.testing.assert_array_equal(run.outputs(STATISTICS[1].name)[0], truth)


def test_outputs_of_another_shape_are_refused(tmp_path):
    with (
        RunWriter(tmp_path, info()) as writer,
        pytest.raises(ConfigurationError, match=r"outputs has shape \(2, 2\), wanted \(3, 2\)"),
    ):
        writer.write(replace(record(info(), 0), outputs=answers(0, probes=2)))


@pytest.mark.parametrize(
    "wrong", [{"offset": 10**12, "shape": [3, 2]}, {"offset": 0, "shape": [9]}]
)
def test_a_made_up_place_of_outputs_is_read_as_nothing(tmp_path, wrong):
    write(tmp_path, info(), (0,))
    log = tmp_path / "plugins" / "attn_monitor" / "rank_0000" / "commits.jsonl"
    rewrite(log, lambda line: line.update(outputs=wrong))
    run = open_run(tmp_path)
    assert run.steps == (0,)
    assert np.isnan(run.outputs("row_entropy")).all()
