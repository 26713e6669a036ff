"""Requests that were not made by our page."""

import pytest
from markers import write_run
from recordings import encoder_info, record
from wsgi_tab import Tab

RUN = "exp/version_0"
ASK = {"run": RUN, "step": "10", "part": "cross", "probe": "0"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["index", "run", "attention", "metrics", "static/index.js"])
def test_everything_but_get_is_refused(tab, method, path):
    reply = tab.call(path, method, **ASK)
    assert reply.status_code == 405
    assert reply.headers["Allow"] == "GET"


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../..",
        "/etc",
        "exp/version_0/../../..",
        "exp/version_0/plugins",
        "exp/version_0/",
        "./exp/version_0",
        "exp\\version_0",
        "\x00",
        "",
        "<script>alert(1)</script>",
        "r" * 4000,
    ],
)
def test_only_names_that_tensorboard_lists_are_opened(tab, name):
    for path in ("run", "attention", "metrics"):
        reply = tab.get(path, **{**ASK, "run": name})
        assert reply.status_code in (400, 404)
        assert reply.content_type.startswith("text/plain")
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "static/",
        "static/../plugin.py",
        "static/..%2fplugin.py",
        "static/%2e%2e/plugin.py",
        "static//etc/passwd",
        "static/../../pyproject.toml",
        "static/./index.js",
        "static/index.js/",
        "static/index.js%00.css",
        "static/\\..\\plugin.py",
    ],
)
def test_only_files_of_the_bundle_are_served(tab, path):
    assert tab.get(path).status_code == 404


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("step", "9" * 5000, "should be a whole number, got '999"),
        ("step", "-1", "parameter 'step' should be a whole number, got '-1'"),
        ("step", "1e3", "parameter 'step' should be a whole number"),
        ("step", "\u0661\u0660", "parameter 'step' should be a whole number"),
        ("step", "", "parameter 'step' is missing"),
        ("probe", "9" * 17, "parameter 'probe' should be a whole number"),
        ("probe", str(2**53 + 1), "should be at most 9007199254740992, got 9007199254740993"),
        ("part", "", "parameter 'part' is missing"),
        ("layers", "", "parameter 'layers' should be a whole number"),
        ("layers", "0,0", "parameter 'layers' names a layer twice"),
        ("layers", "0,,1", "parameter 'layers' should be a whole number"),
        ("rows", "5", "parameter 'rows' should look like 0:64, got '5'"),
        ("rows", "0:99999999999", "parameter 'rows' should look like 0:64"),
        ("keys", "a:b", "parameter 'keys' should look like 0:64, got 'a:b'"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_with_the_reason(tab, name, value, message):
    reply = tab.get("attention", **{**ASK, name: value})
    assert reply.status_code == 400
    assert message in reply.get_data(as_text=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": "11"}, "step 11 is not recorded; the nearest that is: 10"),
        ({"part": "<b>"}, "no part '<b>' in this run"),
        ({"probe": "7"}, "no probe 7 in this run; it has 2"),
        ({"layers": "2"}, "no layer 2 in part 'cross'; it has 2, from 0"),
        ({"rows": "2:4"}, "rows=2:4 lies outside 0:3"),
        ({"rows": "2:2"}, "rows=2:2 lies outside 0:3"),
        ({"keys": "0:4294967296"}, "keys=0:4294967296 lies outside 0:5"),
    ],
)
def test_what_is_not_there_is_not_found(tab, change, message):
    reply = tab.get("attention", **{**ASK, **change})
    assert reply.status_code == 404
    assert message in reply.get_data(as_text=True)


def test_metrics_of_an_unknown_split_are_refused(tab):
    reply = tab.get("metrics", run=RUN, part="cross", split="test")
    assert reply.status_code == 400
    assert "parameter 'split' should be one of val, train, got 'test'" in reply.get_data(
        as_text=True
    )


def test_a_query_of_many_kilobytes_is_refused(tab):
    reply = tab.get("attention", **ASK, padding="x" * 9000)
    assert reply.status_code == 400
    assert "longer than 8192 bytes" in reply.get_data(as_text=True)


def test_a_reply_too_large_for_a_browser_is_refused_before_it_is_read(tab, monkeypatch):
    monkeypatch.setattr("tb_plugin.server.packed_frames.LARGEST_FRAME", 2 * 2 * 6 * 2 - 1)
    ask = {**ASK, "probe": "1"}
    reply = tab.get("attention", **ask)
    assert reply.status_code == 404
    assert "2 layers x 2 heads x 6 x 2 weights are too many" in reply.get_data(as_text=True)
    assert tab.get("attention", **ask, rows="0:5").status_code == 200
    assert tab.get("attention", **ask, layers="0").status_code == 200


def test_a_recording_that_links_out_of_its_run_is_not_read(tmp_path):
    info = encoder_info()
    write_run(tmp_path / "outside", info, [record(info, 0)])
    logs = tmp_path / "logs"
    write_run(logs / "a", info, [record(info, 0)])
    import shutil

    shutil.rmtree(logs / "a" / "plugins")
    (logs / "a" / "plugins").symlink_to(tmp_path / "outside" / "plugins")
    (entry,) = Tab(logs).get("index").json["runs"]
    assert entry["state"] == "failed"
    assert "leads out of that directory" in entry["message"]


def test_hostile_names_and_tokens_are_json_text(tab):
    text = tab.get("run", run="weird run/ünï #1 & <b>").get_data(as_text=True)
    assert text.isascii()
    assert '"name":"weird run/\\u00fcn\\u00ef #1 & <b>"' in text
