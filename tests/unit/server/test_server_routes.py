import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from frames import read_frame
from markers import write_markers, write_run
from recordings import METRICS, encoder_info, record, translation_info
from wsgi_tab import HOSTILE_NAME, Tab

from attn_monitor.core.class_answer import ClassAnswer, ClassLayer
from attn_monitor.core.kept import Kept
from attn_monitor.store import RunWriter, open_run

RUN = "exp/version_0"


@pytest.fixture
def run(logdir):
    return open_run(logdir / RUN)


def test_the_index_lists_every_run_with_its_steps(tab):
    reply = tab.get("index")
    assert reply.content_type == "application/json"
    index = reply.json
    assert [(run["name"], run["state"], run["steps"]) for run in index["runs"]] == [
        (RUN, "ok", 3),
        (HOSTILE_NAME, "ok", 1),
    ]
    assert index["notice"] is None
    assert tab.get("index").json == index


def test_the_version_changes_with_a_step_and_only_then(tmp_path):
    info = encoder_info()
    write_run(tmp_path / "a", info, [record(info, 0)])
    write_run(tmp_path / "b", info, [record(info, 0)])
    tab = Tab(tmp_path)
    before = tab.get("index").json
    with RunWriter(tmp_path / "a", info, resume_step=0) as writer:
        writer.write(record(info, 10))
    after = tab.get("index").json
    assert after["version"] != before["version"]
    changed = [
        new["name"]
        for new, old in zip(after["runs"], before["runs"], strict=True)
        if new["version"] != old["version"]
    ]
    assert changed == ["a"]
    assert tab.get("run", run="a").json["version"] == after["runs"][0]["version"]


def test_a_run_is_described_by_what_was_recorded(tab, run):
    described = tab.get("run", run=RUN).json
    assert described["name"] == RUN
    assert described["session"] == run.session
    assert [part["name"] for part in described["parts"]] == ["encoder", "decoder", "cross"]
    decoder = described["parts"][1]
    assert (decoder["kind"], decoder["causal"]) == ("self", True)
    assert decoder["layers"][1] == {
        "name": "d.1",
        "heads": 4,
        "evidence": "unverified",
        "error": None,
    }
    assert np.array(decoder["uniform"]).shape == (2, len(METRICS))
    assert [metric["name"] for metric in described["metrics"]] == [m.name for m in METRICS]
    probe = described["probes"][0]
    assert probe["source"] == {"text": [f"w{at}" for at in range(5)], "special": [0]}
    assert probe["target"]["text"] == ["t0", "t1", "t2"]
    assert (probe["kept"]["form"], probe["kept"]["vectors"]) == ("whole", True)
    step = described["steps"][1]
    assert (step["step"], step["epoch"], step["maps"]) == (10, 1, True)
    assert step["scalars"] == {"val_loss": 1 / 11}


def test_the_best_step_is_named_with_the_name_of_its_loss(tmp_path):
    info = encoder_info()
    losses = [{"eval_loss": 3.0}, {"eval_loss": 1.0}, {"eval_loss": 2.0}, {}]
    write_run(
        tmp_path / "a", info, [record(info, at, scalars=found) for at, found in enumerate(losses)]
    )
    write_run(tmp_path / "b", info, [record(info, 0, scalars={"accuracy": 1.0})])
    watched = {"watched_metric": "accuracy", "watched_mode": "max"}
    info = dataclasses.replace(info, options={**info.options, **watched})
    scores = [{"accuracy": found, "val_loss": found} for found in (0.1, 0.9, 0.5)]
    write_run(
        tmp_path / "c", info, [record(info, at, scalars=found) for at, found in enumerate(scores)]
    )
    tab = Tab(tmp_path)
    assert tab.get("run", run="a").json["best"] == {"step": 1, "name": "eval_loss"}
    assert tab.get("run", run="b").json["best"] is None
    assert tab.get("run", run="c").json["best"] == {"step": 1, "name": "accuracy"}


def test_a_step_without_maps_says_why(tmp_path):
    info = encoder_info()
    bare = dataclasses.replace(record(info, 10), attention={})
    write_run(tmp_path / "a", info, [record(info, 0), bare])
    steps = Tab(tmp_path).get("run", run="a").json["steps"]
    assert [(step["maps"], step["no_maps"]) for step in steps] == [
        (True, None),
        (False, "unwritten"),
    ]


def test_a_run_says_what_the_byte_budget_left_of_each_probe(tmp_path):
    kept = (Kept(probe=0, form="whole"), Kept(probe=1, form="window", window=4, cells=64))
    info = replace(encoder_info(), kept=kept)
    write_run(tmp_path / "a", info, [record(info, 0)])
    write_run(tmp_path / "b", encoder_info(), [record(info, 0)])
    tab = Tab(tmp_path)
    assert tab.get("run", run="b").json["probes"][0]["kept"] is None
    probes = tab.get("run", run="a").json["probes"]
    assert [probe["kept"]["form"] for probe in probes] == ["whole", "window"]
    assert (probes[1]["kept"]["window"], probes[1]["kept"]["layers"]) == (4, None)


def test_what_was_logged_and_json_lacks_is_null_or_said_in_words(tmp_path):
    info = encoder_info()
    scalars = {"val_loss": float("nan"), "huge": float("inf"), "low": -float("inf")}
    write_run(tmp_path / "a", info, [record(info, 0, scalars=scalars)])
    text = Tab(tmp_path).get("run", run="a").get_data(as_text=True)
    told = {"val_loss": None, "huge": "Infinity", "low": "-Infinity"}
    assert json.loads(text)["steps"][0]["scalars"] == told
    assert "NaN" not in text


def test_metrics_travel_as_series(tab, run):
    for query, truth in (
        ({}, run.metric_values(part="cross", split="val")),
        ({"split": "train"}, run.metric_values(part="cross", split="train")),
        ({"probe": 1}, run.metric_values(part="cross", probe=1)),
    ):
        kind, steps, values = read_frame(tab.get("metrics", run=RUN, part="cross", **query).data)
        assert kind == 3
        assert steps.tolist() == [0, 10, 20]
        np.testing.assert_array_equal(values, truth)


def test_only_addresses_with_the_right_version_may_be_kept_by_browsers(tab):
    version = tab.get("run", run=RUN).json["steps"][1]["v"]
    ask = {"run": RUN, "step": 10, "part": "cross", "probe": 0}
    assert tab.get("attention", **ask, v=version).cache_control.max_age == 30 * 24 * 3600
    for stale in ("", "x", version[:-1], version + "9"):
        reply = tab.get("attention", **ask, v=stale)
        assert reply.status_code == 200
        assert reply.cache_control.max_age is None


def test_a_step_recorded_after_the_last_index_is_found(tmp_path):
    info = encoder_info()
    write_run(tmp_path / "a", info, [record(info, 0)])
    tab = Tab(tmp_path)
    tab.get("index")
    with RunWriter(tmp_path / "a", info, resume_step=0) as writer:
        writer.write(record(info, 10))
    assert tab.get("attention", run="a", step=10, part="encoder", probe=0).status_code == 200


def test_a_step_recorded_anew_is_not_served_from_memory(tmp_path):
    info = encoder_info()
    write_run(tmp_path / "a", info, [record(info, 0), record(info, 10, seed=1)])
    tab = Tab(tmp_path)
    ask = {"run": "a", "step": 10, "part": "encoder", "probe": 0}
    before = tab.get("attention", **ask).data
    with RunWriter(tmp_path / "a", info, resume_step=0) as writer:
        writer.write(record(info, 10, seed=2))
    tab.get("index")
    assert tab.get("attention", **ask).data != before


def test_a_marked_run_without_a_recording_is_listed_as_failed_with_the_reason(tmp_path):
    write_markers(tmp_path / "lost", "0", [0])
    info = encoder_info()
    write_run(tmp_path / "fine", info, [record(info, 0)])
    tab = Tab(tmp_path)
    fine, lost = tab.get("index").json["runs"]
    assert (fine["state"], lost["state"]) == ("ok", "failed")
    assert "no attention recording under" in lost["message"]
    reply = tab.get("run", run="lost")
    assert reply.status_code == 404
    assert reply.content_type.startswith("text/plain")


def test_a_recording_that_turns_up_later_is_picked_up(tmp_path):
    info = encoder_info()
    write_markers(tmp_path / "a", "0", [0])
    tab = Tab(tmp_path)
    assert tab.get("index").json["runs"][0]["state"] == "failed"
    with RunWriter(tmp_path / "a", info) as writer:
        writer.write(record(info, 0))
    assert tab.get("index").json["runs"][0]["state"] == "ok"


def test_a_damaged_step_is_named_in_the_index_and_answered_as_text(tmp_path):
    info = encoder_info()
    write_run(tmp_path / "a", info, [record(info, 0), record(info, 10)])
    (file,) = tmp_path.rglob("0000000010-a0.zarr.zip")
    file.write_bytes(file.read_bytes()[:100])
    tab = Tab(tmp_path)
    (entry,) = tab.get("index").json["runs"]
    assert entry["state"] == "ok"
    assert "maps of step 10 are unreadable" in entry["message"]
    assert [step["maps"] for step in tab.get("run", run="a").json["steps"]] == [True, False]
    reply = tab.get("attention", run="a", step=10, part="encoder", probe=0)
    assert reply.status_code == 404
    assert "has 100 bytes, its commit line says" in reply.get_data(as_text=True)


def test_runs_that_are_removed_leave_the_index(tmp_path):
    info = encoder_info()
    for name in ("a", "b"):
        write_run(tmp_path / name, info, [record(info, 0)])
    tab = Tab(tmp_path)
    assert len(tab.get("index").json["runs"]) == 2
    import shutil

    shutil.rmtree(tmp_path / "b")
    tab.reload()
    assert [run["name"] for run in tab.get("index").json["runs"]] == ["a"]


def test_the_log_directory_itself_can_be_the_run(tmp_path):
    info = translation_info()
    write_run(tmp_path, info, [record(info, 0)])
    for multiplexer in (True, False):
        tab = Tab(tmp_path, multiplexer=multiplexer)
        assert tab.get("index").json["runs"][0]["name"] == "."
        assert tab.get("run", run=".").status_code == 200


def test_memory_for_maps_is_bounded(tmp_path):
    info = encoder_info(lengths=(64,), heads=8, count=4)
    write_run(tmp_path / "a", info, [record(info, step) for step in range(12)])
    tab = Tab(tmp_path)  # a cache of 1 MB; each step's maps are 131 kB
    for step in range(12):
        tab.get("attention", run="a", step=step, part="encoder", probe=0)
    assert 0.8e6 < tab.plugin._readers.maps.cached_bytes <= 1e6


def test_routes_work_under_a_path_prefix(logdir):
    tab = Tab(logdir, prefix="/pre/fix")
    assert len(tab.get("index").json["runs"]) == 2
    assert tab.get("static/index.js").status_code == 200


def test_many_requests_at_once_while_training_writes_all_see_whole_steps(tmp_path):
    info = encoder_info(lengths=(12, 9))
    write_run(tmp_path / "a", info, [record(info, 0)])
    tab = Tab(tmp_path)

    def ask(number):
        index = tab.get("index").json
        steps = tab.get("run", run="a").json["steps"]
        assert len(steps) >= index["runs"][0]["steps"]
        step = steps[number % len(steps)]["step"]
        kind, values = read_frame(
            tab.get("attention", run="a", step=step, part="encoder", probe=number % 2).data
        )
        truth = record(info, step).attention["encoder"][number % 2]
        np.testing.assert_allclose(values, truth, atol=0.005)
        _, series_steps, series = read_frame(tab.get("metrics", run="a", part="encoder").data)
        assert len(series_steps) == len(series)
        return kind

    with RunWriter(tmp_path / "a", info, resume_step=0) as writer, ThreadPoolExecutor(8) as pool:
        replies = [pool.submit(ask, number) for number in range(40)]
        for step in range(1, 20):
            writer.write(record(info, step))
        assert [reply.result() for reply in replies] == [1] * 40
    assert tab.get("index").json["runs"][0]["steps"] == 20


def test_class_answers_are_those_of_the_recording(tmp_path):
    layer = ClassLayer(names=("angry", "<b>happy"), method="linear_mean")
    info = replace(encoder_info(), classes=layer)
    random = np.random.default_rng(0)
    tokens = len(info.probes[0].source)
    answer = ClassAnswer(
        scores=random.normal(size=2).astype("f4"),
        contributions=random.normal(size=(tokens, 2)).astype("f4"),
    )
    write_run(tmp_path / "a", info, [replace(record(info, 0), classes={0: answer})])
    tab = Tab(tmp_path)
    described = tab.get("run", run="a").json["classes"]
    assert described == {"names": ["angry", "<b>happy"], "method": "linear_mean"}
    reply = tab.get("classes", run="a", step=0, probe=0).json
    np.testing.assert_array_equal(np.float32(reply["scores"]), answer.scores)
    np.testing.assert_array_equal(np.float32(reply["contributions"]), answer.contributions)
    assert tab.get("classes", run="a", step=0, probe=1).status_code == 404
