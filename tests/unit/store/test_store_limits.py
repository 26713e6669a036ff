"""What a file can make grow has a limit: small here, at full size in docs/reliability.md."""

import gc
import json
import tracemalloc

import numpy as np
import pytest
from recordings import encoder_info, record

from attn_monitor.core.errors import AttnMonitorError, CorruptRecordingError, NotRecordedError
from attn_monitor.store import RunWriter, open_run
from attn_monitor.store.fields import parsed_bytes
from attn_monitor.store.names import rank_folder

INFO = encoder_info()


@pytest.fixture
def run_dir(tmp_path):
    with RunWriter(tmp_path, INFO) as writer:
        writer.write(record(INFO, 5))
    return tmp_path


def file(run_dir, name):
    return run_dir / rank_folder(0) / name


def opened(run_dir):
    """Open a run; return it, or the error, and the most memory that this took."""
    tracemalloc.start()
    try:
        found = open_run(run_dir)
    except AttnMonitorError as error:
        found = error
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found, most


@pytest.mark.parametrize(
    "value",
    [
        [[]] * 3_000, [{}] * 3_000, ["a"] * 3_000, [1.5] * 3_000, list(range(1000, 4_000)),
        {f"name {at}": at for at in range(3_000)}, [{"a": 1}] * 3_000, "x" * 30_000,
        "\u0416" * 9_000, ["[{,:"] * 3_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_what_a_document_takes_is_known_before_it_is_read(value, separators):
    for ascii_only in (True, False):
        text = json.dumps({"it": value}, separators=separators, ensure_ascii=ascii_only)
        data = text.encode()
        tracemalloc.start()
        read = json.loads(data)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert read["it"]
        assert most < 1.15 * parsed_bytes(data) + len(data) + 20_000


def test_a_description_of_many_pieces_is_refused_before_it_is_read(run_dir, monkeypatch):
    monkeypatch.setattr("attn_monitor.store.follow.MOST_BYTES", 10**6)
    file(run_dir, "run.json").write_bytes(b'{"schema": 1, "x": [' + b"{}," * 300_000 + b"{}]}")
    error, most = opened(run_dir)
    assert isinstance(error, CorruptRecordingError)
    assert "would take 94 MB of memory, at most 1 MB are allowed" in str(error)
    assert most < 4e6  # the file itself, read twice


def test_a_small_description_may_not_take_a_hundred_times_its_size(run_dir):
    file(run_dir, "run.json").write_bytes(b'{"schema": 1, "x": [' + b"{}," * 300_000 + b"{}]}")
    error, most = opened(run_dir)
    assert "would take 94 MB of memory, at most 23 MB are allowed" in str(error)
    assert most < 4e6


def test_a_refusal_lets_go_of_all_that_was_read(run_dir):
    """An error holds the frames it came through, and these the file."""
    file(run_dir, "run.json").write_bytes(b'{"schema": 1, "x": "' + b"x" * 3_000_000 + b'"}')
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(3):
            with pytest.raises(CorruptRecordingError, match="parts should be a list"):
                open_run(run_dir)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert held < 1e6


def test_ranks_share_one_allowance(run_dir, monkeypatch):
    with RunWriter(run_dir, encoder_info(first_index=2), rank=1) as writer:
        writer.write(record(encoder_info(first_index=2), 5))
    assert len(open_run(run_dir).probes) == 4
    size = parsed_bytes(file(run_dir, "run.json").read_bytes())
    monkeypatch.setattr("attn_monitor.store.follow.MOST_BYTES", int(1.5 * size))
    run = open_run(run_dir)
    assert len(run.probes) == 2
    assert "rank_0001/run.json would take" in run.problems[0]


def test_a_line_longer_than_any_of_ours_is_skipped_whatever_its_length(run_dir):
    path = file(run_dir, "commits.jsonl")
    for length in (2**20 + 1, 9 * 2**20):
        line = path.read_bytes().splitlines(keepends=True)[-1]
        path.write_bytes(b'{"op": "' + b"x" * length + b'"}\n' + line)
        run, most = opened(run_dir)
        assert run.steps == (5,)
        assert "a line is longer than 1048576 bytes" in run.problems[0]
        assert len(run.problems) == 1
        assert most < 14e6
    path.write_bytes(line + b"x" * 9 * 2**20)
    assert open_run(run_dir).steps == (5,)
    with RunWriter(run_dir, INFO, resume_step=5) as writer:
        writer.write(record(INFO, 6))
    assert open_run(run_dir).steps == (5, 6)


def test_lines_that_make_no_sense_are_counted_and_not_kept(run_dir, monkeypatch):
    monkeypatch.setattr("attn_monitor.store.commits.MOST_SENSELESS", 1000)
    path = file(run_dir, "commits.jsonl")
    path.write_bytes(path.read_bytes() + b"nonsense\n" * 8_000)
    run, most = opened(run_dir)
    assert run.steps == (5,)
    assert len(run.problems) == 22
    assert run.problems[20].endswith("980 more lines make no sense")
    assert "1000 lines that make no sense are as much as is read" in run.problems[21]
    assert most < 35e6
    assert not run.refresh()


def test_steps_beyond_what_memory_may_hold_are_left_out_and_said(run_dir, monkeypatch):
    monkeypatch.setattr("attn_monitor.store.commits.MOST_HELD_BYTES", 100_000)
    path = file(run_dir, "commits.jsonl")
    line = json.loads(path.read_bytes())
    line.pop("crc")
    lines = [json.dumps({**line, "step": step}) for step in range(10, 400)]
    path.write_bytes(path.read_bytes() + "\n".join(lines).encode() + b"\n")
    run = open_run(run_dir)
    assert 50 < len(run.steps) < 120
    assert f"with {len(run.steps)} steps" in run.problems[0]
    assert "370 more problems" not in " ".join(run.problems)
    assert len(run.problems) <= 42


def test_rollbacks_do_not_cost_a_look_at_every_step(run_dir):
    path = file(run_dir, "commits.jsonl")
    line = json.loads(path.read_bytes())
    line.pop("crc")
    back = b'{"op": "rollback", "to": 3000, "attempt": 0}\n'
    commits = [json.dumps({**line, "step": step}).encode() + b"\n" for step in range(500)]
    path.write_bytes(b"".join(commits) + back * 5_000)
    assert len(open_run(run_dir).steps) == 500


@pytest.mark.parametrize("layers", [300, 1_500])
def test_a_description_that_promises_much_is_not_believed(run_dir, layers):
    path = file(run_dir, "run.json")
    document = json.loads(path.read_bytes())
    document.pop("crc")
    (part,) = document["parts"]
    part["layers"] = [{**part["layers"][0], "heads": 1000}] * layers
    document["uniform"] = {}
    path.write_text(json.dumps(document))
    run, most = opened(run_dir)
    if layers == 1_500:
        assert "metrics of heads for each sentence, at most 4194304 are allowed" in str(run)
        return
    with pytest.raises(NotRecordedError, match="more than one answer may hold"):
        run.metric_values(part="encoder")
    assert most < 5e6


def test_numbers_of_many_steps_are_summed_as_those_of_one(run_dir, monkeypatch):
    with RunWriter(run_dir, INFO, resume_step=5) as writer:
        for step in range(6, 15):
            writer.write(record(INFO, step))
    run = open_run(run_dir)
    whole = run.metric_values(part="encoder")
    monkeypatch.setattr("attn_monitor.store.series._STEPS_AT_ONCE", 4)
    np.testing.assert_array_equal(open_run(run_dir).metric_values(part="encoder"), whole)
