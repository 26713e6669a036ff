"""What `make places` runs: every view in Chromium, in each place that shows a recording.

The servers are installed beside the environment (`.venv/notebooks`, `.venv/code_server`,
`.venv/loggers`; MLflow among the notebooks). With a folder in PICTURES, pictures of them are
kept there.
"""

import html
import io
import os
import re
import sys
import time
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from lightning.pytorch.loggers import TensorBoardLogger

from attn_monitor import AttentionMonitor
from tb_plugin.offline import export_run
from tests import tiny_lightning
from tests.e2e.conftest import Tab, chromium, serve
from tests.e2e.hands import choose_view
from tests.places import servers
from tests.places.servers import FRAME, SIZE

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
from take_pictures import UNTIL_STILL, save_small

__all__ = ["chromium"]

VIEWS = ("Network", "Heads", "Graph", "Signals", "HeadLens")
LOUD = "() => { console.error('loud'); setTimeout(() => { throw new Error('louder'); }); }"
SHADOW = 8  # rows on which TensorBoard's bar casts its shadow


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    """A training of which every view shows something: signals, classes, HeadLens."""
    folder = tmp_path_factory.mktemp("places") / "logs"
    monitor = AttentionMonitor(
        tokens=tiny_lightning.words,
        probes=3,
        train_probes=2,
        watch=1,
        topology=True,
        log_images=False,
    )
    logger = TensorBoardLogger(str(folder), name="run", version="")
    trainer = tiny_lightning.trainer(folder, monitor, epochs=4, logger=logger)
    trainer.fit(tiny_lightning.Tiny(), *tiny_lightning.loaders())
    assert monitor.failures.count == 0
    return folder


@pytest.fixture(scope="module")
def exported(logdir, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "run.html"
    export_run(str(logdir / "run"), path)
    return path


@pytest.fixture(scope="module")
def wanted(logdir, chromium):
    """Every view as TensorBoard shows it."""
    with serve(logdir, "--load_fast=false") as url:
        tab = Tab(chromium, url, size=(SIZE[0], SIZE[1] + 64)).wait_until_drawn()
        box = tab.page.locator("iframe").bounding_box()
        assert (box["width"], box["height"]) == SIZE
        seen = {view: pixels_of(tab, view) for view in VIEWS}
        assert tab.complaints == tab.strangers() == []
        tab.close()
    for view, pixels in seen.items():
        assert pixels.std() > 0.1, f"{view}: there is nothing to see"
        keep(pixels, f"{view}-in-tensorboard")
    return seen


@pytest.fixture(scope="module")
def lab(logdir, chromium):
    with servers.jupyterlab(logdir, chromium) as place:
        yield place


def pixels_of(place, view):
    """A view's area, without the mouse, once the same is seen twice.

    At a step in the middle; HeadLens at the last, which is the one that a page has it of.
    """
    in_drawer = view == "HeadLens"
    choose_view(place, "Heads" if in_drawer else view)
    slider = place.frame.get_by_role("slider", name="Training step")
    slider.press("End" if in_drawer else "Home")
    if in_drawer:
        place.frame.locator('.cell[data-layer="1"][data-head="1"]').click()
        place.frame.get_by_role("button", name="Open HeadLens", exact=True).click()
        area = place.frame.get_by_role("region", name=re.compile("HeadLens of Layer 2 . head 2"))
        area.locator("svg, canvas").first.wait_for()
    else:
        slider.press("ArrowRight")
        area = place.frame.get_by_role("main")
    assert slider.get_attribute("aria-valuenow") == ("16" if in_drawer else "4")
    slider.evaluate("node => node.blur()")
    place.page.mouse.move(0, 0)
    seen, before = still(place, area), None
    while seen != before:
        seen, before = still(place, area), seen
    return matplotlib.image.imread(io.BytesIO(seen))[..., :3]


def still(place, area):
    place.frame.locator("body").evaluate(UNTIL_STILL)
    return area.screenshot()


def keep(pixels, name):
    if folder := os.environ.get("PICTURES"):
        matplotlib.image.imsave(Path(folder) / f"{name}.png", pixels)


def keep_picture(place, name):
    """What somebody sees who opens the place."""
    place.frame.locator("body").evaluate(UNTIL_STILL)
    if folder := os.environ.get("PICTURES"):
        window = place.page.viewport_size
        wide, high = min(window["width"], 1500), min(window["height"], 950)
        seen = place.page.screenshot(clip={"x": 0, "y": 0, "width": wide, "height": high})
        save_small(seen, Path(folder) / f"{name}.png")


def assert_same_pictures(place, wanted, name):
    shares = {}
    for view in VIEWS:
        found = pixels_of(place, view)
        keep(found, f"{view}-in-{name}")
        assert found.shape == wanted[view].shape, view
        apart = np.abs(found - wanted[view]).max(axis=-1)[SHADOW:]
        shares[view] = float((apart > 8 / 255).mean())
    print(name, {view: f"{share:.4%}" for view, share in shares.items()})
    assert max(shares.values()) < 0.001, shares


def assert_quiet(place, *own):
    """Nobody complained or asked another host, but for the place's own; our frame is heard."""
    assert [url for url in place.strangers() if not of(url, own)] == []
    assert [text for text in place.complaints if not of(text, ("favicon", *own))] == []
    said = place.page.expect_console_message(lambda message: message.text == "loud")
    with said, place.page.expect_event("pageerror", lambda error: "louder" in str(error)):
        place.frame.locator("body").evaluate(LOUD)
    heard = [text for text in place.complaints if "loud" in text]
    assert len(heard) == 2
    assert not any(of(text, own) for text in heard)


def of(text, parts):
    return any(part in text for part in parts)


def test_the_offline_page_shows_the_same_pictures(wanted, exported, chromium):
    tab = Tab(chromium, exported.as_uri(), fragment="", size=SIZE)
    tab.frame = tab.page
    keep_picture(tab.wait_until_drawn(), "offline")
    assert_same_pictures(tab, wanted, "page")
    assert_quiet(tab)
    tab.close()


def test_the_page_in_a_host_shows_the_same_pictures(wanted, exported, chromium, tmp_path):
    text = html.escape(exported.read_text("ascii"))
    size = f"width={SIZE[0]} height={SIZE[1]}"
    frame = f'<iframe {size} style="border: 0" sandbox="allow-scripts" srcdoc="{text}"></iframe>'
    (tmp_path / "host.html").write_text(f"<!doctype html><title>Host</title>{frame}")
    tab = Tab(chromium, (tmp_path / "host.html").as_uri(), fragment="", size=(1300, 1000))
    assert_same_pictures(tab.wait_until_drawn(), wanted, "srcdoc")
    assert_quiet(tab)
    tab.close()


def test_marimo_shows_the_same_pictures(wanted, logdir, chromium):
    with servers.marimo(logdir, chromium) as place:
        keep_picture(place, "marimo")
        assert_same_pictures(place.sized(), wanted, "marimo")
        assert_quiet(place)


def test_vs_code_shows_the_same_pictures_in_a_saved_notebook(wanted, logdir, chromium):
    with servers.vscode(logdir, chromium) as place:
        keep_picture(place, "vscode")
        assert_same_pictures(place.sized(), wanted, "vscode")
        # Its webviews name their files so; a worker in the page answers, and nothing leaves.
        assert_quiet(place, "vscode-cdn.net", f"({place.url.partition('?')[0]}")


def test_trackio_shows_the_same_pictures_and_a_trainings_numbers(wanted, logdir, chromium):
    with servers.trackio(logdir, chromium) as place:
        maps = place.page.get_by_role("img", name="attention/encoder")
        widths = maps.evaluate_all("all => all.map(one => one.naturalWidth)")
        assert len(widths) == 2
        assert min(widths) > 500
        keep_picture(place, "trackio")
        assert_same_pictures(place.sized(over_all=True), wanted, "trackio")
        assert_quiet(place)
        place.page.goto(place.url.replace("/media?", "/?"))
        place.page.get_by_text("attention (7)").wait_for()
        place.page.get_by_text("row_entropy/encoder").first.wait_for()


def test_mlflow_shows_the_same_pictures(wanted, logdir, chromium):
    with servers.mlflow(logdir, chromium) as place:
        place.page.get_by_role("button", name="Close").first.click()  # its assistant
        keep_picture(place, "mlflow")
        assert_same_pictures(place.sized(over_all=True), wanted, "mlflow")
        assert_quiet(place, "/mlflow/users/current")  # there are none, its own page complains


def test_jupyterlab_shows_the_same_pictures(wanted, lab):
    keep_picture(lab, "jupyterlab")
    assert_same_pictures(lab.sized(), wanted, "jupyterlab")
    assert_quiet(lab)


def test_in_jupyterlab_new_steps_arrive_while_the_cell_still_trains(lab, logdir):
    servers.run_cell(lab.page, 1)
    cell = lab.page.locator(".jp-NotebookPanel .jp-Cell").nth(1)
    running = cell.get_by_text(re.compile(r"\[\*\]"))
    running.wait_for()
    lab.frame = cell.frame_locator(FRAME)
    slider = lab.frame.get_by_role("slider", name="Training step")
    slider.wait_for(timeout=180_000)
    first = newest(slider)
    until(lambda: newest(slider) > first)
    assert running.count() == 1  # it ends when it finds this file, and not before
    (logdir / "enough").touch()
    running.wait_for(state="detached")
    assert_quiet(lab)


def newest(slider):
    return int(slider.get_attribute("aria-valuemax"))


def until(true, seconds=120):
    patience = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < patience
        time.sleep(0.2)
