"""Recordings that were damaged, or made to do harm: a clear error, and no memory spent first."""

import io
import json
import os
import shutil
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numcodecs.zstd import Zstd
from recordings import encoder_info, record, rewrite

from attn_monitor.core.errors import AttnMonitorError, CorruptRecordingError
from attn_monitor.store import RunWriter, open_run
from attn_monitor.store.names import rank_folder

ASK = {"step": 5, "probe": 1, "part": "encoder", "layer": 1}
CHUNK = "encoder/0001/codes/c/1/0/0/0"
METADATA = "encoder/0001/codes/zarr.json"


@pytest.fixture
def run_dir(tmp_path):
    info = encoder_info()
    with RunWriter(tmp_path, info) as writer:
        writer.write(record(info, 5))
    return tmp_path


def step_file(run_dir):
    return run_dir / rank_folder(0) / "steps" / "0000000005-a0.zarr.zip"


def edit_json(run_dir, name, change):
    rewrite(run_dir / rank_folder(0) / name, change)


def replace_file(run_dir, data):
    """Put another file in place and make the commit line agree with its size."""
    step_file(run_dir).write_bytes(data)
    edit_json(run_dir, "commits.jsonl", lambda line: line.update(bytes=len(data), directory=""))


def rezip(run_dir, changes, *, compression=zipfile.ZIP_STORED):
    """Rewrite the step's zip with some members replaced."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(step_file(run_dir)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            data = changes.get(name, old.read(name))
            if data is not None:
                new.writestr(name, data, compress_type=compression)
    replace_file(run_dir, buffer.getvalue())


def test_a_truncated_step_is_reported_and_its_metrics_stay(run_dir):
    data = step_file(run_dir).read_bytes()
    step_file(run_dir).write_bytes(data[:-10])
    run = open_run(run_dir)
    assert run.steps == (5,)
    assert not run.has_maps(5)
    assert f"file {len(data) - 10} bytes instead of {len(data)}" in run.problems[0]
    assert not np.isnan(run.metric("prev", part="encoder")).any()
    with pytest.raises(CorruptRecordingError, match=f"has {len(data) - 10} bytes, its commit line"):
        run.attention(**ASK)


def test_a_missing_step_file_is_reported(run_dir):
    step_file(run_dir).unlink()
    run = open_run(run_dir)
    assert "maps of step 5 are unreadable: file missing" in run.problems[0]
    with pytest.raises(CorruptRecordingError, match="is missing"):
        run.attention(**ASK)


def test_a_flipped_bit_in_the_data_is_noticed(run_dir):
    data = bytearray(step_file(run_dir).read_bytes())
    with zipfile.ZipFile(step_file(run_dir)) as archive:
        info = archive.getinfo(CHUNK)
    data[info.header_offset + 30 + len(CHUNK) + info.file_size // 2] ^= 4
    step_file(run_dir).write_bytes(data)
    with pytest.raises(CorruptRecordingError, match=f"{CHUNK} is damaged"):
        open_run(run_dir).attention(**ASK)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_damage_gives_the_truth_or_an_error_of_ours(run_dir, tmp_path_factory, data):
    truth = record(encoder_info(), 5).attention["encoder"][1][1]
    copy = shutil.copytree(run_dir, tmp_path_factory.mktemp("damaged") / "run")
    damaged = bytearray(step_file(copy).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    step_file(copy).write_bytes(damaged)
    try:
        read = open_run(copy).attention(**ASK)
    except AttnMonitorError:
        return
    np.testing.assert_allclose(read, truth, atol=0.005)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(run_dir):
    """A member that unpacks to 4 GB, honestly announced, where 147 bytes are expected."""
    bomb = bytearray(Zstd(level=1).encode(bytes(2**20)))
    assert bomb[4] >> 6 == 2  # four bytes of content size, which we now exaggerate
    start = 5 if bomb[4] & 0x20 else 6
    bomb[start : start + 4] = (2**32 - 1).to_bytes(4, "little")
    rezip(run_dir, {CHUNK: bytes(bomb)})
    tracemalloc.start()
    with pytest.raises(CorruptRecordingError, match="unpacks to 4294967295 bytes, expected 147"):
        open_run(run_dir).attention(**ASK)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_a_frame_that_hides_its_size_is_refused(run_dir):
    hidden = b"\x28\xb5\x2f\xfd\x00\x58" + bytes(20)
    rezip(run_dir, {CHUNK: hidden})
    with pytest.raises(CorruptRecordingError, match="unpacks to None bytes, expected 147"):
        open_run(run_dir).attention(**ASK)


def test_a_deflated_bomb_is_refused(run_dir):
    rezip(run_dir, {CHUNK: bytes(10**6)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(CorruptRecordingError, match="compressed members; they should be stored"):
        open_run(run_dir).attention(**ASK)


def test_an_oversized_member_is_refused_before_it_is_read(run_dir):
    rezip(run_dir, {CHUNK: bytes(10**6)})
    with pytest.raises(CorruptRecordingError, match=r"has 1000000 bytes, expected at most 11\d\d"):
        open_run(run_dir).attention(**ASK)


def test_a_missing_member_is_named(run_dir):
    rezip(run_dir, {CHUNK: None})
    with pytest.raises(CorruptRecordingError, match=f"holds no {CHUNK}"):
        open_run(run_dir).attention(**ASK)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("shape", [2, 3, 10**6, 10**6], r"shape is \(2, 3, 1000000, 1000000\), run.json implies"),
        ("shape", [2, 3], r"shape is \(2, 3\), run.json implies \(2, 3, 7, 7\)"),
        ("shape", [2, 3, 7, -7], "is -7, expected 0 to"),
        ("shape", "big", "shape should be a list, got 'big'"),
        ("data_type", "float64", "data_type should be uint8"),
        ("codecs", [{"name": "pickle"}], r"codecs should be bytes, zstd, got \['pickle'\]"),
        ("chunk_grid", {"configuration": {"chunk_shape": [1, 1, 1, 1]}}, "chunks of .* are not"),
        ("chunk_grid", None, "should be an object, got None"),
    ],
)
def test_array_descriptions_that_disagree_are_refused(run_dir, field, value, message):
    with zipfile.ZipFile(step_file(run_dir)) as archive:
        node = json.loads(archive.read(METADATA))
    node[field] = value
    rezip(run_dir, {METADATA: json.dumps(node).encode()})
    with pytest.raises(CorruptRecordingError, match=message):
        open_run(run_dir).attention(**ASK)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: run.update(schema=2), "has schema 2, this version .* reads schema 1; upgrade"),
        (lambda run: run.pop("session"), "session should be text, got None"),
        (lambda run: run.update(parts=[]), "no parts"),
        (lambda run: run["parts"][0].update(kind="lateral"), "kind should be one of self, cross"),
        (lambda run: run["parts"][0]["layers"][0].update(heads=10**9), "expected 1 to 65536"),
        (lambda run: run["parts"][0].update(layers=[]), "layers is empty"),
        (lambda run: run["probes"][0].update(index=1), "probe indices are not unique"),
        (lambda run: run["probes"][0]["source"].update(special=[99]), "is 99, expected 0 to 3"),
        (lambda run: run.update(uniform={"encoder": [[1]]}), "should be 2 layers x 3 metrics"),
        (lambda run: run.update(options={"a": []}), "options.a should be a text, a number"),
        (lambda run: run["metrics"][0].update(low="x" * 99), "low should be a number, got 'xxx.*"),
    ],
)
def test_descriptions_with_a_wrong_field_name_it(run_dir, change, message):
    edit_json(run_dir, "run.json", change)
    with pytest.raises(CorruptRecordingError, match=message):
        open_run(run_dir)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1e999}', b"nul"]
)
def test_descriptions_that_are_not_json_objects_are_refused(run_dir, data):
    (run_dir / rank_folder(0) / "run.json").write_bytes(data)
    with pytest.raises(CorruptRecordingError, match=r"run\.json"):
        open_run(run_dir)


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"[" * 100_000,
        b"\xff",
        b'{"op": "commit"}',
        b'{"op": "commit", "attempt": 0, "step": -1}',
        b'{"op": "thin", "attempt": 0, "step": "5"}',
    ],
)
def test_lines_that_make_no_sense_are_reported_and_skipped(run_dir, line):
    log = run_dir / rank_folder(0) / "commits.jsonl"
    log.write_bytes(line + b"\n" + log.read_bytes())
    run = open_run(run_dir)
    assert run.steps == (5,)
    assert len(run.problems) == 1


def test_lines_of_a_later_version_are_skipped_in_silence(run_dir):
    log = run_dir / rank_folder(0) / "commits.jsonl"
    log.write_bytes(b'{"op": "annotate", "step": 5}\n\n' + log.read_bytes())
    assert open_run(run_dir).problems == ()


@pytest.mark.parametrize("shape", [[2, 2, 3, 10**9], [2, 2, 3], [2**32] * 8])
def test_absurd_metric_shapes_cost_nothing(run_dir, shape):
    edit_json(
        run_dir, "commits.jsonl", lambda line: line["metrics"].update(shapes={"encoder": shape})
    )
    run = open_run(run_dir)
    assert np.isnan(run.metric("prev", part="encoder")).all()
    assert "metrics of step 5 have shape" in run.problems[0]


def test_an_offset_beyond_any_file_costs_nothing(run_dir):
    shapes = {"other": [2**32] * 8, "encoder": [2, 2, 3, 3]}
    edit_json(run_dir, "commits.jsonl", lambda line: line["metrics"].update(shapes=shapes))
    run = open_run(run_dir)
    assert np.isnan(run.metric("prev", part="encoder")).all()
    assert len(run.problems) == 1


def test_a_short_metrics_file_gives_nan_not_garbage(run_dir):
    (run_dir / rank_folder(0) / "metrics.f32").write_bytes(b"1234")
    run = open_run(run_dir)
    values = run.metric_values(part="encoder", probe=0)
    assert values.shape == (1, 2, 3, 3)
    assert np.isnan(values).all()
    assert run.problems == ("plugins/attn_monitor/rank_0000: metrics of step 5 are cut off",)


def test_links_out_of_the_run_are_not_followed(run_dir, tmp_path_factory):
    secret = tmp_path_factory.mktemp("outside") / "secret"
    secret.write_bytes(step_file(run_dir).read_bytes())
    step_file(run_dir).unlink()
    step_file(run_dir).symlink_to(secret)
    with pytest.raises(CorruptRecordingError, match="leads out of that directory"):
        open_run(run_dir).attention(**ASK)


def test_a_linked_run_directory_is_fine(run_dir, tmp_path_factory):
    link = tmp_path_factory.mktemp("collection") / "run"
    link.symlink_to(run_dir, target_is_directory=True)
    assert open_run(link).attention(**ASK).shape == (3, 7, 7)


def test_a_pipe_in_place_of_a_file_does_not_hang(run_dir):
    (run_dir / rank_folder(0) / "run.json").unlink()
    os.mkfifo(run_dir / rank_folder(0) / "run.json")
    with pytest.raises(AttnMonitorError, match="no attention recording"):
        open_run(run_dir)


def test_members_are_checked_by_their_own_checksum(run_dir):
    with zipfile.ZipFile(step_file(run_dir)) as archive:
        assert archive.testzip() is None
        assert zlib.crc32(archive.read(CHUNK)) == archive.getinfo(CHUNK).CRC


def test_an_array_larger_than_any_reader_wants_is_refused(run_dir, monkeypatch):
    monkeypatch.setattr("attn_monitor.store.stepfile.LARGEST_ARRAY", 3 * 7 * 7)
    run = open_run(run_dir)
    assert run.attention(**ASK).shape == (3, 7, 7)
    with pytest.raises(
        CorruptRecordingError, match=r"announces 294 values .* ask for fewer layers"
    ):
        run.codes(step=5, probe=1, part="encoder")
