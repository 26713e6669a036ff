"""What a person waits for in the tab: real TensorBoard, real Chromium, keys as they are pressed."""

from __future__ import annotations

import os
import re
import statistics
from dataclasses import dataclass

import pytest
from in_browser import (
    BUSY,
    LONG_TASKS,
    LONG_TASKS_SINCE,
    NOW,
    PAINTED,
    TO_GRAPH,
    TO_PAINTED,
    Traffic,
    conditions,
    fresh_page,
    page_memory,
    spelled,
)
from large_recordings import record_large_run

from tests.e2e.conftest import chromium, serve  # noqa: F401 - the fixture

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]
ROUNDS = 24


@dataclass(frozen=True)
class Model:
    layers: int
    heads: int
    tokens: int
    steps: tuple[int, ...]
    budget: float  # milliseconds from key to painted
    causal: bool = False

    def __str__(self):
        return f"{self.layers} x {self.heads} x {self.tokens}"


SMALL = Model(6, 12, 64, tuple(range(0, 1000, 10)), 150)
GPT = Model(12, 12, 128, (0, 10, 20, 30), 60, causal=True)
LARGE = Model(24, 16, 512, (0, 10, 20, 30), 80)
GRAPH_BUDGET = 300
# A second checkout with a built front end is measured beside this one, on the same recordings.
BESIDE = os.environ.get("BESIDE")
CODES = {"this": {}} | ({"beside": {"PYTHONPATH": BESIDE}} if BESIDE else {})


@pytest.fixture(scope="module", params=(SMALL, GPT, LARGE), ids=str)
def model(request):
    return request.param


@pytest.fixture(scope="module", params=CODES)
def code(request):
    return request.param


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    record_large_run(
        folder / "run",
        layers=model.layers,
        heads=model.heads,
        tokens=model.tokens,
        steps=model.steps,
        causal=model.causal,
    )
    return folder


@pytest.fixture(scope="module")
def url(folder, code):
    with serve(folder, "--load_fast=false", environment=CODES[code]) as address:
        yield address


def frame_of(page):
    return page.wait_for_selector("iframe", state="attached", timeout=60_000).content_frame()


def opened(page, url, *, step):
    """The tab's frame with everything drawn, and what the page has on its way."""
    traffic = Traffic(page)
    page.goto(f"{url}#attn_monitor&p.attn_monitor.step={step}")
    frame = frame_of(page)
    frame.wait_for_selector(f".content[data-step='{step}'] [data-layer][data-head]", timeout=60_000)
    traffic.wait_until_quiet()
    frame.focus("[role=slider]")
    return frame, traffic


def press(page, frame, traffic, key, wanted):
    """Milliseconds from a key press to the frame that shows the step."""
    frame.evaluate(TO_PAINTED, ["keydown", wanted])
    page.keyboard.press(key)
    took = frame.evaluate(PAINTED)
    traffic.wait_until_quiet()
    return took


def say(capsys, browser, text):
    with capsys.disabled():
        print(f"\n{text}  [{conditions(browser)}]")


def test_the_slider_follows_the_keys(chromium, url, model, code, capsys):  # noqa: F811
    steps = model.steps
    with fresh_page(chromium) as page:
        frame, traffic = opened(page, url, step=steps[0])
        forth = [("ArrowRight", step) for step in steps[1:]]
        back = [("ArrowLeft", step) for step in steps[-2::-1]]
        moves = ((forth + back) * ROUNDS)[:ROUNDS]
        times = [press(page, frame, traffic, *move) for move in moves]
        heap, private = page_memory(page)
    say(
        capsys,
        chromium,
        f"{model}, {code}: next step to painted {spelled(times)}; page memory {private:.0f} MB, "
        f"of which JavaScript heap {heap:.0f} MB",
    )
    assert code != "this" or statistics.median(times) <= model.budget
    assert private <= 300


def test_a_step_never_seen_is_fetched_and_painted(chromium, url, model, code, capsys):  # noqa: F811
    """Jumps of a page of the slider, to steps that nothing has asked for before."""
    first, last = model.steps[0], model.steps[-1]
    times = []
    for _ in range(ROUNDS):
        with fresh_page(chromium) as page:
            frame, traffic = opened(page, url, step=first)
            times.append(press(page, frame, traffic, "End", last))
    say(capsys, chromium, f"{model}, {code}: first to last step, not yet fetched, {spelled(times)}")
    assert statistics.median(times) <= 1000


def test_the_first_view_is_usable_soon_after_the_tab_is_opened(
    chromium,  # noqa: F811
    url,
    model,
    code,
    capsys,
):
    """From the click on TensorBoard's tab to maps that are drawn and a main thread that is free."""
    times = []
    for _ in range(ROUNDS):
        with fresh_page(chromium) as page:
            traffic = Traffic(page)
            page.goto(f"{url}#timeseries")
            tab = page.get_by_role("tab", name=re.compile("attention", re.I))
            tab.wait_for(timeout=60_000)
            traffic.wait_until_quiet()
            page.evaluate(
                "() => addEventListener('click', (e) => {"
                " window.clicked = performance.timeOrigin + e.timeStamp; }, { capture: true })"
            )
            tab.click()
            usable = (
                frame_of(page)
                .wait_for_function(
                    "() => document.querySelector('.content[data-step] [data-layer][data-head]')"
                    " && new Promise((free) => requestIdleCallback(() =>"
                    " free(performance.timeOrigin + performance.now())))",
                    timeout=60_000,
                )
                .json_value()
            )
            times.append(usable - page.evaluate("() => window.clicked"))
    say(capsys, chromium, f"{model}, {code}: tab opened to usable {spelled(times)}")
    assert statistics.median(times) <= 2000


def test_a_click_on_graph_shows_the_graph(chromium, url, model, code, capsys):  # noqa: F811
    """From the click, with the part of the tab that draws graphs still to be fetched."""
    times = []
    for _ in range(ROUNDS // 2):
        with fresh_page(chromium) as page:
            frame, _ = opened(page, url, step=model.steps[-1])
            frame.evaluate(TO_GRAPH)
            frame.click("nav >> text=Graph")
            times.append(frame.evaluate(PAINTED))
    say(capsys, chromium, f"{model}, {code}: click to graph painted {spelled(times)}")
    assert code != "this" or statistics.median(times) <= GRAPH_BUDGET


def go_back(page, frame, traffic, start):
    """Show the step to play from, and wait until nothing is drawn or fetched for it any more."""
    frame.focus("[role=slider]")
    page.keyboard.press("Home")
    frame.wait_for_selector(f".content[data-step='{start}']", state="attached")
    traffic.wait_until_quiet()


def play(frame, last):
    """Milliseconds of each long task between the press on Play and its end at the last step."""
    pressed = frame.evaluate(NOW)
    frame.click("button[aria-label=Play]")
    frame.wait_for_selector(f".content[data-step='{last}']", state="attached", timeout=60_000)
    frame.wait_for_selector("button[aria-label=Play]")
    return frame.evaluate(LONG_TASKS_SINCE, pressed)


def watch_long_tasks(frame):
    """Note every long task from now on; one made on purpose shows that none is overlooked."""
    frame.evaluate(LONG_TASKS)
    before = frame.evaluate(NOW)
    frame.evaluate(BUSY, 80)
    assert max(frame.evaluate(LONG_TASKS_SINCE, before)) >= 80


def test_play_never_blocks_the_page_for_long(chromium, url, model, code, capsys):  # noqa: F811
    """At least twenty steps of play; short recordings are played again and again."""
    start, last = model.steps[-min(21, len(model.steps))], model.steps[-1]
    steps = model.steps.index(last) - model.steps.index(start)
    tasks, seen = [], 0
    with fresh_page(chromium) as page:
        frame, traffic = opened(page, url, step=start)
        watch_long_tasks(frame)
        while seen < 20:
            if seen:
                go_back(page, frame, traffic, start)
            tasks += play(frame, last)
            seen += steps
    longest = max(tasks, default=0.0)
    tasks = f"{len(tasks)} tasks above 50 ms, the longest {longest:.0f} ms"
    say(capsys, chromium, f"{model}, {code}: {seen} steps played, {tasks}")
    assert longest <= 200
