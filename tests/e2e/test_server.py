"""The real `tensorboard` command around the tab's server; no browser."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest

from attn_monitor.store import RunWriter, open_run
from tests.e2e.conftest import ROOT, serve
from tests.frames import read_frame
from tests.markers import write_markers, write_run
from tests.recordings import encoder_info, record, translation_info

RUNS = ("exp/version_0", "weird run/ünï #1 & <b>")
MODES = {
    "fast": ("--load_fast=true",),
    "slow": ("--load_fast=false",),
    "fast behind a path": ("--load_fast=true", "--path_prefix=/pre/fix"),
    "slow behind a path": ("--load_fast=false", "--path_prefix=/pre/fix"),
}


class Routes:
    """The plugin's routes of a running server."""

    def __init__(self, url):
        self.url = url

    def get(self, path, **query):
        address = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=30) as reply:
            return reply.read()

    def tab(self, path, **query):
        return self.get(f"data/plugin/attn_monitor/{path}", **query)

    def wait_for(self, done):
        """Poll the index until TensorBoard has loaded what is expected."""
        for _ in range(360):
            index = json.loads(self.tab("index"))
            if done(index):
                return index
            time.sleep(0.25)
        pytest.fail(f"TensorBoard did not get there: {index}")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    root = tmp_path_factory.mktemp("recordings") / "logs"
    info = translation_info()
    write_run(root / RUNS[0], info, [record(info, step) for step in (0, 10, 20)])
    info = encoder_info()
    write_run(root / RUNS[1], info, [record(info, 5)])
    return root


def has_runs(count):
    return lambda index: len(index["runs"]) == count


@pytest.mark.parametrize("flags", MODES.values(), ids=MODES)
def test_two_runs_are_served_whatever_loads_the_event_files(recordings, flags):
    with serve(recordings, *flags) as url:
        routes = Routes(url)
        index = routes.wait_for(has_runs(2))
        assert [(run["name"], run["state"]) for run in index["runs"]] == [
            (name, "ok") for name in RUNS
        ]
        run = open_run(recordings / RUNS[0])
        _, values = read_frame(routes.tab("attention", run=RUNS[0], step=10, part="cross", probe=1))
        for layer in range(2):
            truth = run.attention(step=10, probe=1, part="cross", layer=layer)
            np.testing.assert_allclose(values[layer], truth, atol=1e-6)
        listing = json.loads(routes.get("data/plugins_listing"))
        assert listing["attn_monitor"]["enabled"]
        assert listing["attn_monitor"]["tab_name"] == "Attention"
        page = routes.get("data/plugin_entry.html", name="attn_monitor").decode()
        assert "./static/index.js" in page
        assert b"render" in routes.tab("static/index.js")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            routes.tab("run", run="../..")


def test_runs_of_a_logdir_spec_are_found_in_their_directories(recordings):
    spec = f"A:{recordings / 'exp'},B:{recordings / RUNS[0]}"
    with serve(recordings, f"--logdir_spec={spec}", "--logdir=") as url:
        routes = Routes(url)
        index = routes.wait_for(has_runs(2))
        assert {run["name"]: run["steps"] for run in index["runs"]} == {"A/version_0": 3, "B/.": 3}


@pytest.mark.parametrize("flags", [MODES["fast"], MODES["slow"]], ids=["fast", "slow"])
def test_a_run_that_starts_and_grows_while_tensorboard_runs_is_followed(tmp_path, flags):
    logs = tmp_path / "logs"
    logs.mkdir()
    info = encoder_info()
    with serve(logs, *flags) as url, RunWriter(logs / "live", info) as writer:
        routes = Routes(url)
        assert json.loads(routes.tab("index"))["runs"] == []
        writer.write(record(info, 0))
        write_markers(logs / "live", writer.session, [0])
        first = routes.wait_for(has_runs(1))
        writer.write(record(info, 10))  # before TensorBoard has heard of it
        index = json.loads(routes.tab("index"))
        assert index["runs"][0]["steps"] == 2
        assert index["version"] != first["version"]


def broken_copy(folder, module, text):
    """Our two packages as pip would install them, one module of them spoiled."""
    for package in ("attn_monitor", "tb_plugin"):
        shutil.copytree(
            ROOT / package,
            folder / package,
            ignore=shutil.ignore_patterns("frontend", "static", "__pycache__"),
        )
    (folder / module).write_text(text)
    described = folder / "attn_monitor-0.1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: attn-monitor\nVersion: 0.1\n")
    (described / "entry_points.txt").write_text(
        "[tensorboard_plugins]\nattn_monitor = tb_plugin.loader:Loader\n"
    )
    return folder


def test_a_wheel_installed_elsewhere_shows_the_tab(recordings, tmp_path):
    checkout = tmp_path / "checkout"
    shutil.copytree(
        ROOT,
        checkout,
        ignore=shutil.ignore_patterns(".*", "node_modules", "__pycache__", "tests", "dist"),
    )
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run(build, cwd=checkout, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "tb_plugin/static/index.js" in names
    assert any(name.endswith(".css") for name in names)
    assert not [name for name in names if "frontend" in name or name.endswith(".map")]
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(site), "-q"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    with (
        contextlib.chdir(tmp_path),
        serve(recordings, environment={"PYTHONPATH": str(site)}) as url,
    ):
        routes = Routes(url)
        routes.wait_for(has_runs(2))
        assert routes.tab("static/index.js") == (site / "tb_plugin/static/index.js").read_bytes()


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("tb_plugin/plugin.py", "this is not Python"),
        ("tb_plugin/server/wire.py", "import a_package_that_is_not_there"),
        ("attn_monitor/store/codec.py", "raise RuntimeError('half an upgrade')"),
        ("attn_monitor/core/nouns.py", "\0"),
    ],
)
def test_a_broken_installation_leaves_the_other_tabs_alone(recordings, tmp_path, module, text):
    broken = broken_copy(tmp_path / "site", module, text)
    with (
        contextlib.chdir(tmp_path),  # or `python -m` would find the healthy checkout first
        serve(recordings, "--load_fast=false", environment={"PYTHONPATH": str(broken)}) as url,
    ):
        routes = Routes(url)
        for _ in range(360):
            tags = json.loads(routes.get("data/plugin/scalars/tags"))
            if len(tags) == len(RUNS):
                break
            time.sleep(0.25)
        assert set(tags) == set(RUNS)
        assert "attn_monitor" not in json.loads(routes.get("data/plugins_listing"))
        (log,) = Path(recordings).parent.glob(f"tensorboard-{url.split(':')[2].strip('/')}.log")
        assert "The Attention tab could not be loaded; reinstall" in log.read_text()
