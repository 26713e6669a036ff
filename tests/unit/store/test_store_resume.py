"""Resuming, starting over, and following a recording that somebody else is writing."""

import json
from dataclasses import replace

import numpy as np
import pytest
from recordings import encoder_info, record

from attn_monitor.store import RunWriter, open_run
from attn_monitor.store.names import rank_folder


def files(run_dir):
    return sorted(path.name for path in (run_dir / rank_folder(0) / "steps").iterdir())


def log_lines(run_dir):
    text = (run_dir / rank_folder(0) / "commits.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def write(run_dir, info, steps, *, seed=None, **options):
    with RunWriter(run_dir, info, **options) as writer:
        for step in steps:
            writer.write(record(info, step, epoch=step // 10, seed=seed))
        return writer


def test_resuming_keeps_steps_up_to_the_checkpoint_and_records_the_rest_anew(tmp_path):
    info = encoder_info()
    first = write(tmp_path, info, (0, 10, 20, 30))
    second = write(tmp_path, info, (20, 40), seed=99, resume_step=10)
    run = open_run(tmp_path)
    assert run.steps == (0, 10, 20, 40)
    assert second.session == first.session == run.session
    assert second.notice is None
    assert [run.attempt(step) for step in run.steps] == [0, 0, 1, 1]
    truth = record(info, 20, seed=99)
    read = run.attention(step=20, probe=0, part="encoder", layer=0)
    np.testing.assert_allclose(read, truth.attention["encoder"][0][0], atol=0.005)
    values = run.metric_values(part="encoder", probe=0)[2]
    np.testing.assert_array_equal(values, truth.metrics["encoder"][0].astype(np.float32))
    assert files(tmp_path) == [
        "0000000000-a0.zarr.zip",
        "0000000010-a0.zarr.zip",
        "0000000020-a1.zarr.zip",
        "0000000040-a1.zarr.zip",
    ]
    assert [line["op"] for line in log_lines(tmp_path)].count("rollback") == 1


def test_starting_over_in_the_same_directory_is_another_session(tmp_path):
    info = encoder_info()
    first = write(tmp_path, info, (0, 10))
    second = write(tmp_path, info, (5,))
    assert open_run(tmp_path).steps == (5,)
    assert first.session != second.session
    assert files(tmp_path) == ["0000000005-a1.zarr.zip"]


def test_a_recording_of_another_model_is_not_continued_and_the_writer_says_why(tmp_path):
    first = write(tmp_path, encoder_info(heads=3), (0, 10))
    second = write(tmp_path, encoder_info(heads=4), (20,), resume_step=10)
    assert open_run(tmp_path).steps == (20,)
    assert first.session != second.session
    assert "has other parts, probes or metrics; its 2 steps were dropped" in second.notice


def test_better_verified_layers_do_not_end_a_recording(tmp_path):
    info = encoder_info()
    write(tmp_path, info, (0, 10))
    checked = tuple(
        replace(layer, evidence="verified", error=2e-7) for layer in info.parts[0].layers
    )
    better = replace(info, parts=(replace(info.parts[0], layers=checked),))
    write(tmp_path, better, (20,), resume_step=10)
    run = open_run(tmp_path)
    assert run.steps == (0, 10, 20)
    assert run.part("encoder").layers[0].error == pytest.approx(2e-7)


def test_an_unreadable_description_starts_the_recording_over(tmp_path):
    info = encoder_info()
    write(tmp_path, info, (0, 10))
    (tmp_path / rank_folder(0) / "run.json").write_bytes(b"{")
    second = write(tmp_path, info, (20,), resume_step=10)
    assert open_run(tmp_path).steps == (20,)
    assert "2 steps were dropped" in second.notice


def test_a_step_recorded_twice_is_replaced_without_touching_the_earlier_file(tmp_path):
    info = encoder_info()
    with RunWriter(tmp_path, info) as writer:
        writer.write(record(info, 7, seed=1))
        early = open_run(tmp_path)
        before = early.attention(step=7, probe=0, part="encoder", layer=0)
        writer.write(record(info, 7, seed=2))
        late = open_run(tmp_path)
        after = late.attention(step=7, probe=0, part="encoder", layer=0)
    assert late.steps == (7,)
    assert late.attempt(7) == 1
    assert np.abs(before - after).max() > 0.05
    assert files(tmp_path) == ["0000000007-a1.zarr.zip"]


def test_a_writer_that_was_replaced_can_no_longer_add_steps(tmp_path):
    info = encoder_info()
    forgotten = RunWriter(tmp_path, info)
    forgotten.write(record(info, 0))
    current = RunWriter(tmp_path, info)
    current.write(record(info, 5))
    forgotten.write(record(info, 10))
    current.write(record(info, 15))
    run = open_run(tmp_path)
    assert run.steps == (5, 15)
    truth = record(info, 15).metrics["encoder"][0].astype(np.float32)
    np.testing.assert_array_equal(run.metric_values(part="encoder", probe=0)[1], truth)


def test_a_reader_follows_a_recording_while_it_is_written(tmp_path):
    info = encoder_info()
    with RunWriter(tmp_path, info) as writer:
        run = open_run(tmp_path)
        assert run.steps == ()
        assert run.metric("prev", part="encoder").shape == (0, 2, 3)
        assert not run.refresh()
        writer.write(record(info, 0))
        assert run.steps == ()
        still = run.snapshot()
        assert run.refresh()
        assert not run.refresh()
        assert (run.steps, still.steps) == ((0,), ())
        versions = {run.version}
        writer.write(record(info, 10))
        run.refresh()
        versions.add(run.version)
    write(tmp_path, info, (5,), resume_step=0)
    run.refresh()
    assert run.steps == (0, 5)
    assert len(versions | {run.version}) == 3


def test_a_recording_removed_and_made_anew_under_an_open_reader_is_read_anew(tmp_path):
    import shutil

    write(tmp_path, encoder_info(heads=3), (0, 10))
    run = open_run(tmp_path)
    shutil.rmtree(tmp_path / "plugins")
    info = encoder_info(heads=5)
    write(tmp_path, info, (3, 6, 9))
    assert run.refresh()
    assert run.steps == (3, 6, 9)
    assert run.attention(step=6, probe=1, part="encoder", layer=0).shape == (5, 7, 7)


def test_an_unfinished_last_line_is_invisible_and_the_next_writer_cuts_it_off(tmp_path):
    info = encoder_info()
    write(tmp_path, info, (0, 10))
    log = tmp_path / rank_folder(0) / "commits.jsonl"
    whole = log.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (len(lines[0]), len(lines[0]) + 1, len(whole) - 1):
        log.write_bytes(whole[:cut])
        assert open_run(tmp_path).steps == (0,)
    write(tmp_path, info, (20,), resume_step=15)
    run = open_run(tmp_path)
    assert run.steps == (0, 20)
    assert run.problems == ()
    assert files(tmp_path) == ["0000000000-a0.zarr.zip", "0000000020-a1.zarr.zip"]


def test_half_a_line_left_by_a_full_disk_does_not_swallow_the_next_one(tmp_path, monkeypatch):
    info = encoder_info()
    writer = RunWriter(tmp_path, info)
    writer.write(record(info, 0))
    log = tmp_path / rank_folder(0) / "commits.jsonl"
    append = type(writer._folder).append_log

    def out_of_space(folder, name, data):
        if name != "commits.jsonl":
            return append(folder, name, data)
        with log.open("ab") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(writer._folder), "append_log", out_of_space)
        with pytest.raises(OSError, match="No space left"):
            writer.write(record(info, 10))
    writer.write(record(info, 20))
    run = open_run(tmp_path)
    assert run.steps == (0, 20)
    assert len(run.problems) == 1


def test_leftovers_of_a_crash_are_invisible_and_the_next_writer_removes_them(tmp_path):
    info = encoder_info()
    write(tmp_path, info, (0,))
    steps = tmp_path / rank_folder(0) / "steps"
    (steps / "0000000010-a0.zarr.zip.tmp").write_bytes(b"half")
    (steps / "0000000010-a0.zarr.zip").write_bytes(b"not committed")
    with (tmp_path / rank_folder(0) / "metrics.f32").open("ab") as file:
        file.write(b"\1\2\3")  # not even whole numbers
    assert open_run(tmp_path).steps == (0,)
    write(tmp_path, info, (20,), resume_step=0)
    assert files(tmp_path) == ["0000000000-a0.zarr.zip", "0000000020-a1.zarr.zip"]
    values = open_run(tmp_path).metric_values(part="encoder", probe=1)[1]
    truth = record(info, 20).metrics["encoder"][1].astype(np.float32)
    np.testing.assert_array_equal(values, truth)
