"""The real servers that `make places` opens in Chromium: pages of theirs that hold our frame."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from playwright.sync_api import TimeoutError

from attn_monitor import open_run
from tb_plugin.notebook.show import ShownPage
from tests.e2e.conftest import Tab, answering, free_port

ROOT = Path(__file__).parents[2]
NOTEBOOKS = Path(sys.prefix) / "notebooks" / "bin" / "python"
CODE_SERVER = Path(sys.prefix) / "code_server" / "node_modules" / "code-server"
LOGGERS = Path(sys.prefix) / "loggers"
SIZE = (1100, 800)
FRAME = 'iframe[title="Attention"]'
SHOW = """
from attn_monitor import open_run
open_run("run").show(height={height})
""".strip().format(height=SIZE[1])
# A training in a cell that shows it: until the file `enough` is there, which the test makes.
TRAIN = f"""
import sys, pathlib
sys.path += {[path for path in sys.path if path.endswith("site-packages")]}
import torch
from torch.nn import functional as F
from attn_monitor import AttentionRecorder, open_run
from tiny_lightning import Tiny, loaders, words
torch.set_num_threads(1)
model, (train, val) = Tiny(), loaders()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
few = {{"probes": 3, "lens_sentences": 2, "signal_sentences": 5, "log_images": False}}
with AttentionRecorder(model, val, log_dir="../live", tokens=words, **few) as recorder:
    recorder.record(step=0, epoch=0)
    while not list(pathlib.Path("../live").rglob("run.json")):
        pass
    display(open_run("../live").show(height={SIZE[1]}))
    for epoch in range(1, 20_000):
        for ids, labels in train:
            optimizer.zero_grad()
            F.cross_entropy(model(ids), labels).backward()
            optimizer.step()
        if epoch % 50 == 0:
            recorder.record(step=4 * epoch, epoch=epoch)
        if pathlib.Path("enough").exists():
            break
""".strip()
MARIMO = f"""
import marimo
app = marimo.App(width="full")

@app.cell
def _():
    {SHOW.replace(chr(10), chr(10) + "    ")}

if __name__ == "__main__":
    app.run()
"""
TO_MLFLOW = """
import sys, mlflow, pathlib
from attn_monitor.cli import main
mlflow.create_experiment("attention", artifact_location=pathlib.Path(sys.argv[2]).as_uri())
main(["export", sys.argv[1], "--to", "mlflow"])
[run] = mlflow.search_runs(experiment_names=["attention"], output_format="list")
print(run.info.experiment_id, run.info.run_id)
"""
TO_TRACKIO = """
import sys
from attn_monitor import AttentionCallback
from tests import tiny_trainer
callback = AttentionCallback(**{**tiny_trainer.FEW, "log_images": True})
trained = tiny_trainer.trainer(
    sys.argv[1], callback, report_to="trackio", project="attention", run_name="trained"
)
trained.train()
assert callback.failures.count == 0
"""


class Place(Tab):
    """A page of somebody else's that has our frame in it; whatever it holds beside is not ours."""

    def __init__(self, browser, url, *, frame=FRAME):
        super().__init__(browser, url, fragment="", size=(1800, 1300))
        self.around, self.named = self.page, frame
        self.frame = self.page.frame_locator(frame)

    def inside(self, *frames):
        """Look for our frame in frames within frames."""
        for frame in frames:
            self.around = self.around.frame_locator(frame)
        self.frame = self.around.frame_locator(self.named)

    def sized(self, *, over_all=False):
        """The same size of frame everywhere, on whole pixels: pages have whatever width there is.

        With ``over_all`` it is laid over the page around it, which would show a part of it.
        """
        frame = self.around.locator(self.named)
        place = "position: fixed; top: 0; left: 0; z-index: 9999" if over_all else ""
        frame.evaluate(
            "node => node.style.cssText = `display: block; border: 0; max-width: none;"
            f" width: {SIZE[0]}px; height: {SIZE[1]}px; {place}`"
        )
        frame.evaluate(
            "node => { const {left, top} = node.getBoundingClientRect();"
            " node.style.marginLeft = `${Math.ceil(left) - left}px`;"
            " node.style.marginTop = `${Math.ceil(top) - top}px`; }"
        )
        return self


@contextlib.contextmanager
def started(folder: Path, *command: object, **variables: object) -> Iterator[str]:
    """Start a server in a folder, ``{port}`` filled in; yield its address once it answers."""
    port = free_port()
    own = folder.with_name(f"server-{port}")
    own.mkdir()
    environment = {
        "JUPYTER_CONFIG_DIR": str(own),
        "JUPYTER_DATA_DIR": str(own),
        "PYTHONPATH": str(ROOT / "tests"),
        "XDG_CONFIG_HOME": str(own),
        **{name: str(value).format(port=port) for name, value in variables.items()},
    }
    url, filled = f"http://localhost:{port}/", [str(part).format(port=port) for part in command]
    with answering(url, *filled, log=own / "log", environment=environment, cwd=folder):
        yield url


@contextlib.contextmanager
def opened(
    browser, folder: Path, path: str, *command: object, frame: str = FRAME, **variables: object
) -> Iterator[Place]:
    """Start a server and open a page of it."""
    with started(folder, *command, **variables) as url:
        place = Place(browser, f"{url}{path}", frame=frame)
        yield place
        place.close()


@contextlib.contextmanager
def jupyterlab(logdir, browser):
    """JupyterLab with a notebook whose first cell has shown the run."""
    cells = [nbformat.v4.new_code_cell(cell) for cell in (SHOW, TRAIN)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), logdir / "run.ipynb")
    options = ("-m", "jupyterlab", "--no-browser", "--allow-root", "--IdentityProvider.token=")
    lab = (NOTEBOOKS, *options, "--LabApp.news_url=None", "--port={port}")
    with opened(browser, logdir, "lab/tree/run.ipynb?reset", *lab) as place:
        run_cell(place.page, 0)
        place.page.locator(FRAME).wait_for(timeout=180_000)  # a kernel starts first
        yield place.wait_until_drawn()


def run_cell(page, at):
    """Choose a cell and run it, once the notebook has taken it as the chosen one."""
    cell = page.locator(".jp-NotebookPanel .jp-Cell").nth(at)
    cell.locator(".cm-content").click(timeout=60_000)
    page.locator(".jp-NotebookPanel .jp-Cell.jp-mod-selected.jp-mod-active").wait_for()
    page.wait_for_timeout(3000)  # JupyterLab says nowhere that it listens to keys by now
    page.keyboard.press("Shift+Enter")


@contextlib.contextmanager
def marimo(logdir, browser):
    (logdir / "run.py").write_text(MARIMO)
    options = ("run", "run.py", "--headless", "--no-token", "--port={port}")
    with opened(browser, logdir, "", NOTEBOOKS, "-m", "marimo", *options) as place:
        yield place.wait_until_drawn()


@contextlib.contextmanager
def vscode(logdir, browser):
    """VS Code with a notebook whose output is the page: there is no kernel, and none is needed."""
    folder = logdir.with_name("vscode")
    folder.mkdir()
    page = ShownPage(open_run(logdir / "run"), name="run", height=SIZE[1])._repr_html_()
    output = nbformat.v4.new_output("display_data", data={"text/html": page})
    cell = nbformat.v4.new_code_cell(SHOW, outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "run.ipynb")
    options = ("--auth=none", "--disable-workspace-trust", "--disable-telemetry", "--port={port}")
    data = f"--user-data-dir={folder.with_name('vscode-data')}"
    command = ("node", CODE_SERVER / "out" / "node" / "entry.js", *options, data)
    with opened(browser, folder, f"?folder={folder}", *command) as place:
        file = place.page.get_by_role("treeitem", name="run.ipynb")
        for _ in range(20):  # before its extensions have started, it shows the file as text
            file.dblclick()
            with contextlib.suppress(TimeoutError):
                place.page.locator(".notebookOverlay").wait_for(timeout=15_000)
                break
            place.page.keyboard.press("Control+F4")
        place.inside("iframe.webview", "iframe#active-frame")
        yield place.wait_until_drawn()


def said(*command: object, **variables: object) -> str:
    """Run a program to its end; return what it said."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env=os.environ | {name: str(value) for name, value in variables.items()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@contextlib.contextmanager
def trackio(logdir, browser):
    """Trackio's dashboard of a training that reported to it and of an exported page."""
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", LOGGERS)))
    own = {"TRACKIO_DIR": logdir.with_name("trackio"), "PYTHONPATH": paths}
    said(sys.executable, "-c", TO_TRACKIO, logdir.with_name("trained"), **own)
    export = ("-m", "attn_monitor.cli", "export", logdir / "run", "--to", "trackio")
    said(sys.executable, *export, **own)
    show = (sys.executable, "-m", "trackio.cli", "show", "--project", "attention")
    own |= {"frame": "iframe.html-frame", "GRADIO_SERVER_PORT": "{port}"}
    with opened(browser, logdir, "media?project=attention", *show, **own) as place:
        yield place.wait_until_drawn()


@contextlib.contextmanager
def mlflow(logdir, browser):
    """MLflow's page of a run with an exported page among its artifacts."""
    folder = logdir.with_name("mlflow")
    folder.mkdir()
    store = f"sqlite:///{folder / 'store.db'}"
    own = {"MLFLOW_TRACKING_URI": store, "DO_NOT_TRACK": "true", "PYTHONPATH": ROOT}
    ids = said(NOTEBOOKS, "-c", TO_MLFLOW, logdir / "run", folder / "artifacts", **own)
    experiment, run = ids.split()[-2:]
    serve = ("-m", "mlflow", "ui", "--workers=1", "--port={port}", f"--backend-store-uri={store}")
    there = f"#/experiments/{experiment}/runs/{run}/artifacts/attention/attention.html"
    with opened(browser, folder, there, NOTEBOOKS, *serve, frame="iframe", **own) as place:
        yield place.wait_until_drawn()
