"""What `make places` runs: JupyterLab, marimo and VS Code in Chromium, beside TensorBoard.

They are installed beside the environment (`.venv/notebooks`, `.venv/code_server`). With a folder in
PICTURES, pictures of them are kept there.
"""

import contextlib
import html
import io
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

import matplotlib.image
import nbformat
import numpy as np
import pytest
from playwright.sync_api import TimeoutError

from attn_monitor import open_run
from tb_plugin.notebook.show import ShownPage
from tb_plugin.offline import export_run
from tests.e2e.conftest import Tab, chromium, free_port, serve
from tests.markers import write_run
from tests.recordings import encoder_info, record

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
from take_pictures import save_small

__all__ = ["chromium"]

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.prefix) / "notebooks" / "bin" / "python"
CODE_SERVER = Path(sys.prefix) / "code_server" / "node_modules" / "code-server"
INFO = encoder_info(lengths=(5, 7, 6, 4))
STEPS = (0, 10, 20)
SIZE = (1100, 800)
SHADOW = 8  # rows on which TensorBoard's bar casts its shadow
FRAME = 'iframe[title="Attention"]'
LAB = (
    """
from attn_monitor import open_run
open_run("run").show(height={height})
""",
    """
import time
from attn_monitor.store import RunWriter
from recordings import encoder_info, record
info = encoder_info(lengths=(5, 7, 6, 4))
with RunWriter("run", info, resume_step=20) as writer:
    writer.write(record(info, 30))
    time.sleep(40)
""",
)
MARIMO = """
import marimo
app = marimo.App(width="full")

@app.cell
def _():
    from attn_monitor import open_run
    open_run("run").show(height={height})

if __name__ == "__main__":
    app.run()
"""


class Place(Tab):
    """A notebook's page; whatever it holds beside the view is not ours."""

    def __init__(self, browser, url, *, fragment=""):
        super().__init__(browser, url, fragment=fragment, size=(1800, 1300))
        self.around = self.page
        self.frame = self.page.frame_locator(FRAME)

    def inside(self, *frames):
        """Look for the view's frame in frames within frames."""
        for frame in frames:
            self.around = self.around.frame_locator(frame)
        self.frame = self.around.frame_locator(FRAME)


@contextlib.contextmanager
def started(folder, *command):
    """Start a notebook's server in a folder; yield its address once it answers."""
    port = free_port()
    command = [*command, f"--port={port}"]
    own = folder.with_name(f"server-{port}")
    own.mkdir()
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(own),
        "JUPYTER_DATA_DIR": str(own),
        "PYTHONPATH": str(ROOT / "tests"),
        "XDG_CONFIG_HOME": str(own),
    }
    with (own / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        url = f"http://localhost:{port}/"
        for _ in range(1200):
            assert server.poll() is None, (own / "log").read_text()
            with contextlib.suppress(URLError, ConnectionError):
                urllib.request.urlopen(url, timeout=5).close()
                break
            time.sleep(0.25)
        yield url
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places") / "logs"
    write_run(folder / "run", INFO, [record(INFO, step) for step in STEPS])
    return folder


@pytest.fixture(scope="module")
def lab(logdir, chromium):
    """JupyterLab with a notebook whose first cell has shown the run."""
    cells = [nbformat.v4.new_code_cell(cell.strip().format(height=SIZE[1])) for cell in LAB]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), logdir / "run.ipynb")
    options = ("-m", "jupyterlab", "--no-browser", "--allow-root", "--IdentityProvider.token=")
    with started(logdir, PYTHON, *options, "--LabApp.news_url=None") as url:
        place = Place(chromium, f"{url}lab/tree/run.ipynb?reset")
        run_cell(place.page, 0)
        place.page.locator(FRAME).wait_for(timeout=180_000)  # a kernel starts first
        yield place.wait_until_drawn()
        place.close()


@pytest.fixture(scope="module")
def marimo(logdir, chromium):
    (logdir / "run.py").write_text(MARIMO.format(height=SIZE[1]))
    options = ("run", "run.py", "--headless", "--no-token")
    with started(logdir, PYTHON, "-m", "marimo", *options) as url:
        place = Place(chromium, url)
        yield place.wait_until_drawn()
        place.close()


@pytest.fixture(scope="module")
def vscode(logdir, chromium, tmp_path_factory):
    """VS Code with a notebook whose output is the page: there is no kernel, and none is needed."""
    folder = tmp_path_factory.mktemp("vscode") / "work"
    folder.mkdir()
    html = ShownPage(open_run(logdir / "run"), name="run", height=SIZE[1])._repr_html_()
    output = nbformat.v4.new_output("display_data", data={"text/html": html})
    cell = nbformat.v4.new_code_cell(LAB[0].strip().format(height=SIZE[1]), outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "run.ipynb")
    options = ("--auth=none", "--disable-workspace-trust", "--disable-telemetry")
    data = f"--user-data-dir={folder.with_name('data')}"
    command = ("node", CODE_SERVER / "out" / "node" / "entry.js", *options, data)
    with started(folder, *command) as url:
        place = Place(chromium, f"{url}?folder={folder}")
        opened = place.page.get_by_role("treeitem", name="run.ipynb")
        for _ in range(20):  # before its extensions have started, it shows the file as text
            opened.dblclick()
            with contextlib.suppress(TimeoutError):
                place.page.locator(".notebookOverlay").wait_for(timeout=15_000)
                break
            place.page.keyboard.press("Control+F4")
        place.inside("iframe.webview", "iframe#active-frame")
        yield place.wait_until_drawn()
        place.close()


@pytest.fixture(scope="module")
def tensorboard(logdir, chromium):
    with serve(logdir, "--load_fast=false") as url:
        tab = Tab(chromium, url, size=(SIZE[0], SIZE[1] + 64))
        yield tab.wait_until_drawn()
        tab.close()


@pytest.fixture(scope="module")
def exported(logdir, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "run.html"
    export_run(str(logdir / "run"), path)
    return path


def run_cell(page, at):
    cell = page.locator(".jp-NotebookPanel .jp-Cell").nth(at)
    cell.locator(".cm-content").click(timeout=60_000)
    page.wait_for_timeout(3000)
    page.keyboard.press("Shift+Enter")


def pixels_of(place):
    """The view's area at step 10, without the mouse."""
    slider = place.frame.get_by_role("slider", name="Training step")
    slider.press("Home")
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuenow") == "10"
    slider.evaluate("node => node.blur()")
    place.page.mouse.move(0, 0)
    place.page.wait_for_timeout(1500)
    area = place.frame.get_by_role("main")
    return matplotlib.image.imread(io.BytesIO(area.screenshot()))[..., :3]


def sized(place):
    """The same size of frame everywhere, on whole pixels: cells have whatever width there is."""
    frame = place.around.locator(FRAME)
    frame.evaluate(f"node => {{ node.style.width = '{SIZE[0]}px'; }}")
    frame.evaluate(
        "node => { const {left, top} = node.getBoundingClientRect();"
        " node.style.marginLeft = `${Math.ceil(left) - left}px`;"
        " node.style.marginTop = `${Math.ceil(top) - top}px`; }"
    )
    return place


@pytest.fixture(scope="module")
def wanted(tensorboard):
    box = tensorboard.page.locator("iframe").bounding_box()
    assert (box["width"], box["height"]) == SIZE
    return pixels_of(tensorboard)


def assert_same_picture(found, wanted):
    assert found.shape == wanted.shape
    assert wanted.std() > 0.1  # there is something to see
    apart = np.abs(found - wanted).max(axis=-1)[SHADOW:]
    differing = (apart > 8 / 255).mean()
    assert differing < 0.001, f"{differing:.2%} of the pixels differ"


def keep_picture(place, name):
    if folder := os.environ.get("PICTURES"):
        seen = place.page.screenshot(clip={"x": 0, "y": 0, "width": 1500, "height": 950})
        save_small(seen, Path(folder) / f"{name}.png")


def assert_quiet(place):
    assert place.strangers() == []
    assert [text for text in place.complaints if "favicon" not in text] == []


def test_the_offline_page_shows_the_same_picture(wanted, exported, chromium):
    tab = Tab(chromium, exported.as_uri(), fragment="", size=SIZE)
    tab.frame = tab.page
    assert_same_picture(pixels_of(tab.wait_until_drawn()), wanted)
    assert tab.complaints == []
    tab.close()


def test_the_page_in_a_host_shows_the_same_picture(wanted, exported, chromium, tmp_path):
    text = html.escape(exported.read_text("ascii"))
    size = f"width={SIZE[0]} height={SIZE[1]}"
    frame = f'<iframe {size} style="border: 0" sandbox="allow-scripts" srcdoc="{text}"></iframe>'
    (tmp_path / "host.html").write_text(f"<!doctype html><title>Host</title>{frame}")
    tab = Tab(chromium, (tmp_path / "host.html").as_uri(), fragment="", size=(1300, 1000))
    assert_same_picture(pixels_of(tab.wait_until_drawn()), wanted)
    assert tab.complaints == []
    tab.close()


def test_jupyterlab_shows_the_same_picture(wanted, lab):
    assert_same_picture(pixels_of(sized(lab)), wanted)
    assert_quiet(lab)
    keep_picture(lab, "jupyterlab")


def test_marimo_shows_the_same_picture(wanted, marimo):
    assert_same_picture(pixels_of(sized(marimo)), wanted)
    assert_quiet(marimo)
    keep_picture(marimo, "marimo")


def test_vs_code_shows_the_same_picture_in_a_saved_notebook(wanted, vscode):
    assert_same_picture(pixels_of(sized(vscode)), wanted)
    # Its webviews name their files so; a worker in the page answers, nothing leaves the machine.
    assert [url for url in vscode.strangers() if "vscode-cdn.net" not in url] == []
    assert [text for text in vscode.complaints if "about:srcdoc" in text] == []
    keep_picture(vscode, "vscode")


def test_in_jupyterlab_a_new_step_arrives_while_the_cell_that_records_still_runs(lab):
    slider = lab.frame.get_by_role("slider", name="Training step")
    slider.press("End")
    run_cell(lab.page, 1)
    second = lab.page.locator(".jp-NotebookPanel .jp-Cell").nth(1)
    running = second.get_by_text(re.compile(r"\[\*\]"))
    running.wait_for()
    for _ in range(60):
        if slider.get_attribute("aria-valuemax") == "30":
            break
        lab.page.wait_for_timeout(500)
    assert running.count() == 1
    assert slider.get_attribute("aria-valuenow") == "30"
    assert_quiet(lab)
