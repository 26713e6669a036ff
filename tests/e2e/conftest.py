"""A real recording, the real TensorBoard, a real Chromium."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.programs import Program

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "scripts")]

EPOCHS = 3
# What a page is waited for at most, in milliseconds: on a busy machine everything takes its time.
PATIENCE = 90_000
MOST_LEFT = 2
LOAD_AGAIN = """async (fragment) => {
  const frame = document.querySelector("iframe");
  const load = (address) => new Promise((done) => {
    frame.addEventListener("load", done, { once: true });
    frame.contentWindow.location.replace(address);
  });
  const address = frame.contentWindow.location.href;
  await load("about:blank");
  history.replaceState(null, "", fragment);
  localStorage.clear();
  sessionStorage.clear();
  await load(address);
}"""
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--font-render-hinting=none",
)


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def logdir(tmp_path_factory):
    """Two runs of the airline example, small: 6 layers, 8 heads, 3 epochs on 300 tweets.

    Trained once, by the first of the workers that asks; tests read them and write nothing there.
    """
    folder = shared_folder(tmp_path_factory) / "logs"
    with (shared_folder(tmp_path_factory) / "logs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            train_small(folder)
            train_small(folder)
    return folder


def shared_folder(tmp_path_factory):
    """The temporary folder of this run of pytest, which all its workers see."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def server(logdir):
    """TensorBoard on :func:`logdir`, one for all files that only look."""
    with serve(logdir, "--load_fast=false") as url:
        yield url


def train_small(folder, **options):
    """Train the airline example in a process of its own: its warnings are not under test."""
    done = start_training(folder, **options).wait()
    assert done.returncode == 0, done.stderr[-3000:]


def start_training(folder, *, epochs=EPOCHS, limit=300):
    code = (
        "import sys; sys.path.insert(0, 'examples')\n"
        "from airline_sentiment import train\n"
        f"train(epochs={epochs}, limit={limit}, d_model=32, logdir={str(folder)!r})"
    )
    return Program(code=code)


_PORTS = itertools.count(24000 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))
_HELD = []  # locks on the ports given away, until this process ends


def free_port() -> int:
    """Return a port that no other run of these tests picks, and no connection is given as its end.

    One that the system names is free again until the server has started, and meanwhile another's.
    """
    for port in _PORTS:
        lock = os.open(Path(tempfile.gettempdir(), f"attention-port-{port}.lock"), os.O_CREAT)
        with contextlib.suppress(OSError), socket.socket() as found:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.bind(("localhost", port))
            _HELD.append(lock)
            return port
        os.close(lock)
    raise AssertionError  # the count never ends


@contextlib.contextmanager
def serve(logdir: Path, *flags: str, environment: dict[str, str] | None = None) -> Iterator[str]:
    """Start TensorBoard; yield its address, with the path prefix if there is one."""
    port = free_port()
    prefix = next((f.partition("=")[2] for f in flags if f.startswith("--path_prefix")), "")
    command = (sys.executable, "-m", "tensorboard.main", "--logdir", logdir, "--port", port)
    command += ("--reload_interval", "1", *flags)
    log = Path(logdir).with_name(f"tensorboard-{port}.log")
    url = f"http://localhost:{port}{prefix}/"
    with answering(url, *command, log=log, environment=environment):
        yield url


@contextlib.contextmanager
def answering(
    url: str,
    *command: object,
    log: Path,
    environment: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[None]:
    """Start a server, wait until it answers, and stop it at the end."""
    with log.open("w") as output:
        server = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=cwd,
        )
    try:
        for _ in range(1200):
            assert server.poll() is None, log.read_text()
            with contextlib.suppress(OSError):  # not there yet, or slow
                urllib.request.urlopen(url, timeout=5).close()
                break
            time.sleep(0.25)
        yield
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="session")
def chromium():
    from ensure_chromium import find
    from playwright.sync_api import expect, sync_playwright

    path = find()
    if path is None:
        pytest.fail("no Chromium: run `python scripts/ensure_chromium.py`")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


class Tab:
    """The Attention tab in one page, and everything the page asked for or complained of."""

    def __init__(self, browser, url, *, query="", fragment="#attn_monitor", size=(1440, 900)):
        self.url = url
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        self.page.set_default_timeout(PATIENCE)
        self.requests, self.complaints = [], []
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda e: self.complaints.append(f"{e} ({e.stack})"))
        self.page.goto(f"{url}{query}{fragment}")
        self.frame = self.page.frame_locator("iframe")

    def open_again(self, fragment):
        """Load the tab's own frame anew, at another address, as if nothing had been done in it."""
        self.requests.clear()
        self.complaints.clear()
        self.page.unroute_all()
        self.page.mouse.move(0, 0)
        self.page.evaluate(LOAD_AGAIN, fragment)

    def _console(self, message):
        source = str(message.location.get("url"))
        # Behind a path prefix TensorBoard's own page asks for its fonts at the wrong address.
        if message.type == "error" and "/font-roboto/" not in source:
            self.complaints.append(f"{message.text} ({source})")

    def wait_until_drawn(self):
        self.frame.locator("[data-layer][data-head]").first.wait_for()
        return self

    def strangers(self):
        """Requests that left the server."""
        host = self.url.split("/")[2]
        local = ("data:", "blob:", "about:")
        return [u for u in self.requests if not u.startswith(local) and u.split("/")[2] != host]

    def close(self):
        self.page.close()


@pytest.fixture(scope="session")
def new_tab(chromium):
    """A tab that whoever opens it looks after."""
    return partial(Tab, chromium)


@pytest.fixture(scope="session")
def left_tabs():
    """Tabs that tests have left, by what they were opened with; the oldest first."""
    tabs = {}
    yield tabs
    for tab in tabs.values():
        tab.close()


@pytest.fixture
def open_tab(new_tab, left_tabs, request):
    """Open the tab at an address; at the end nothing may have been complained of.

    What a test before has opened alike and left is opened again in its page, in a frame that is
    loaded anew: loading TensorBoard around it takes three times as long as the tab.
    """
    tabs, failed = {}, request.session.testsfailed

    def open_(url, *, fragment="#attn_monitor", **options):
        key = (url, *sorted(options.items()))
        tab = left_tabs.pop(key, None)
        if tab is None:
            tab = new_tab(url, fragment=fragment, **options)
        else:
            tab.open_again(fragment)
        tabs[tab] = key
        return tab

    yield open_
    for tab in tabs:
        assert tab.strangers() == []
        assert tab.complaints == []
    for tab, key in tabs.items():
        if key in left_tabs or request.session.testsfailed > failed:
            tab.close()
        else:
            left_tabs[key] = tab
    while len(left_tabs) > MOST_LEFT:
        left_tabs.pop(next(iter(left_tabs))).close()
