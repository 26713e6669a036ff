"""What was damaged is never shown as a number, and `attn-monitor verify` names it."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recordings import encoder_info, record

from attn_monitor.cli import main
from attn_monitor.core.errors import CorruptRecordingError
from attn_monitor.core.nouns import MetricSpec
from attn_monitor.store import RunWriter, open_run, verify_run
from attn_monitor.store.names import rank_folder

OUTPUT = MetricSpec(
    name="output_entropy", title="", unit="", low=0.0, high=1.0, reading="", direction="ascending",
    source="",
)  # fmt: skip
INFO = replace(encoder_info(lengths=(4, 5)), outputs=(OUTPUT,))
STEPS = (0, 5, 9)
OLD = Path(__file__).parents[2] / "data" / "recording_of_schema_1.zip"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    with RunWriter(path, INFO) as writer:
        for step in STEPS:
            writer.write(replace(record(INFO, step), outputs=np.full((2, 1), 0.25 + step)))
    return path


@pytest.fixture
def run_dir(recorded, tmp_path):
    return shutil.copytree(recorded, tmp_path / "run")


def file(run_dir, name):
    return run_dir / rank_folder(0) / name


def flip(path, at, bit=1):
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(data)


def flip_member(path):
    """Flip a bit of the data of an array."""
    with zipfile.ZipFile(path) as archive:
        (one, *_) = (i for i in archive.infolist() if "codes/c/" in i.filename)
    flip(path, one.header_offset + 30 + len(one.filename) + one.file_size // 2)


def swap_two_steps(run_dir):
    first, second = (file(run_dir, f"steps/{step:010d}-a0.zarr.zip") for step in STEPS[:2])
    one, other = first.read_bytes(), second.read_bytes()
    assert len(one) == len(other)
    first.write_bytes(other)
    second.write_bytes(one)


DAMAGES = {
    "a bit of a metric": (
        lambda run: flip(file(run, "metrics.f32"), 3, 64),
        "metrics of step 0 in part 'encoder' are damaged",
    ),
    "a bit of an output statistic": (
        lambda run: flip(file(run, "metrics.f32"), -2),
        "output statistics of step 9 are damaged",
    ),
    "the end of the metrics": (
        lambda run: file(run, "metrics.f32").write_bytes(file(run, "metrics.f32").read_bytes()[:9]),
        "metrics of step 5 are cut off",
    ),
    "a digit of a loss": (
        lambda run: flip(
            file(run, "commits.jsonl"), file(run, "commits.jsonl").read_bytes().index(b"0.1")
        ),
        "line is damaged: its checksum differs",
    ),
    "a bit of a map": (
        lambda run: flip_member(file(run, "steps/0000000005-a0.zarr.zip")),
        "0000000005-a0.zarr.zip",
    ),
    "a bit between the maps": (
        lambda run: flip(file(run, "steps/0000000005-a0.zarr.zip"), 5),
        "0000000005-a0.zarr.zip is damaged between its arrays",
    ),
    "two files swapped": (swap_two_steps, "the file of another step: its checksum differs"),
    "a file cut short": (
        lambda run: file(run, "steps/0000000009-a0.zarr.zip").write_bytes(b"PK"),
        "maps of step 9 are unreadable: file 2 bytes",
    ),
    "a file gone": (
        lambda run: file(run, "steps/0000000009-a0.zarr.zip").unlink(),
        "maps of step 9 are unreadable: file missing",
    ),
    "the log gone": (
        lambda run: file(run, "commits.jsonl").unlink(),
        "3 files of steps have no line in commits.jsonl",
    ),
    "the log's end cut off": (
        lambda run: file(run, "commits.jsonl").write_bytes(
            file(run, "commits.jsonl").read_bytes().splitlines(keepends=True)[0]
        ),
        "2 files of steps have no line in commits.jsonl",
    ),
}


def test_a_whole_recording_is_whole(run_dir, capsys):
    assert main(["verify", str(run_dir)]) == 0
    assert capsys.readouterr().out == "3 of 3 recorded steps are whole\n"


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_kind_of_damage_is_named_with_an_exit_code(run_dir, capsys, damage):
    do, message = DAMAGES[damage]
    do(run_dir)
    assert main(["verify", str(run_dir)]) == 1
    said = capsys.readouterr().out
    assert message in said
    assert said[:6] in {"1 of 3", "2 of 3", "0 of 3", "2 of 2", "1 of 1", "0 of 0"}


def test_a_directory_without_a_recording_is_an_error_of_its_own(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 1
    assert "no attention recording under" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["run.json", "commits.jsonl", "metrics.f32"])
def test_no_single_flipped_bit_changes_a_number_that_is_shown(recorded, tmp_path, name):
    """A value is what was written, or it is not there."""
    truth = open_run(recorded)
    values = truth.metric_values(part="encoder", probe=0)
    outputs = truth.outputs("output_entropy")
    path = file(recorded, name)
    size, rng = path.stat().st_size, np.random.default_rng(0)
    noticed = 0
    for at in rng.integers(0, size, 50):
        run_dir = tmp_path / "damaged"
        shutil.copytree(recorded, run_dir)
        flip(file(run_dir, name), int(at), 1 << int(rng.integers(8)))
        try:
            run = open_run(run_dir)
        except CorruptRecordingError:
            noticed += 1
        else:
            assert run.metrics == truth.metrics
            assert run.probes == truth.probes
            for place, step in enumerate(run.steps):
                where = STEPS.index(step)
                read = run.metric_values(part="encoder", probe=0)[place]
                assert np.isnan(read).all() or (read == values[where]).all()
                read = run.outputs("output_entropy")[place]
                assert np.isnan(read).all() or (read == outputs[where]).all()
                assert run.scalars(step) == truth.scalars(step)
            noticed += bool(verify_run(run_dir).problems)
        shutil.rmtree(run_dir)
    assert noticed >= 45  # the rest fell on white space or on the name of the checksum itself


def test_swapped_files_of_equal_size_are_not_shown(run_dir):
    swap_two_steps(run_dir)
    run = open_run(run_dir)
    with pytest.raises(CorruptRecordingError, match="the file of another step"):
        run.attention(step=0, probe=0, part="encoder", layer=0)
    assert run.attention(step=9, probe=0, part="encoder", layer=0).shape == (3, 4, 4)


def test_a_recording_of_the_first_release_is_read_and_continued(tmp_path):
    zipfile.ZipFile(OLD).extractall(tmp_path)
    run = open_run(tmp_path)
    assert (run.steps, run.problems) == ((0, 5), ())
    truth = record(encoder_info(lengths=(4, 5)), 5, vectors=True)
    read = run.attention(step=5, probe=1, part="encoder", layer=1)
    np.testing.assert_allclose(read, truth.attention["encoder"][1][1], atol=0.005)
    np.testing.assert_array_equal(
        run.metric_values(part="encoder", probe=1)[1], truth.metrics["encoder"][1].astype("f4")
    )
    found = run.vectors(step=5, part="encoder", layer=0, head=2).query
    np.testing.assert_allclose(found[:4], truth.vectors["encoder"][0].query[0, 2], atol=2e-3)
    answers = np.random.default_rng(5).random((2, 3))
    np.testing.assert_allclose(run.outputs("output_entropy")[1], answers[:1, 0], rtol=1e-6)
    verified = verify_run(tmp_path)
    assert (verified.whole, verified.unchecked, verified.problems) == ((0, 5), (0, 5), ())
    info = replace(encoder_info(lengths=(4, 5)), outputs=run.output_specs)
    with RunWriter(tmp_path, info, resume_step=5) as writer:
        assert writer.notice is None
        writer.write(record(info, 7))
    assert open_run(tmp_path).steps == (0, 5, 7)
    assert verify_run(tmp_path).unchecked == (0, 5)


def test_what_an_earlier_version_reads_is_still_where_it_was(recorded):
    """Checksums are further fields: every line and description keeps those of schema 1."""
    old = zipfile.ZipFile(OLD)
    for name in ("run.json", "commits.jsonl"):
        (member,) = (one for one in old.namelist() if one.endswith(name))
        before = json.loads(old.read(member).split(b"\n{")[0])
        now = json.loads(file(recorded, name).read_bytes().split(b"\n{")[0])
        assert before.keys() <= now.keys()
        if name == "run.json":
            assert before["schema"] == now["schema"] == 1
