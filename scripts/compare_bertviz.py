"""Show the same attention in BertViz and here, in the same Chromium: bytes, time, memory.

python scripts/compare_bertviz.py BERTVIZ NODE_MODULES [T ...]

BERTVIZ is a folder that holds the package `bertviz` (pip install --no-deps --target), NODE_MODULES
one that holds its libraries (npm install jquery@2 d3@5.7.0 requirejs@2.3.6): its pages ask a public
server for these, and are answered from there instead, so that no network is timed.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from ensure_chromium import find
from playwright.sync_api import Browser, Error, Page, Route, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "bench")]

LAYERS, HEADS = 6, 12
PATIENCE_S = 90
ROUNDS = 5
LIBRARIES = {
    "require.min.js": "requirejs/require.js",
    "d3.min.js": "d3/dist/d3.min.js",
    "jquery.min.js": "jquery/dist/jquery.min.js",
}
# Drawn, and the main thread has nothing left to do.
IDLE = "(seen) => document.querySelector(seen) && new Promise((free) => requestIdleCallback(free))"
ANSWERED = """(event) => { window.answered = new Promise((resolve) => {
  addEventListener(event, () => requestAnimationFrame(() => setTimeout(() =>
    resolve(performance.now()))), { capture: true, once: true }); }); }"""


@dataclass(frozen=True)
class Way:
    """One way to look at the attention.

    Attributes:
        name: Its column.
        address: What is opened.
        drawn: A selector that exists once it is drawn.
        act: What a person does first: selector and event.
    """

    name: str
    address: str
    drawn: str
    act: tuple[str, str]


@dataclass(frozen=True)
class Seen:
    """What one opening took: bytes received, seconds to the first answer, private megabytes."""

    sent: int
    seconds: float
    memory: float


def bertviz_pages(folder: Path, attn: np.ndarray, tokens: list[str]) -> list[Way]:
    import torch
    from bertviz import head_view, model_view

    tensors = [torch.from_numpy(layer)[None] for layer in attn]
    found = []
    for view, drawn, act in (
        (model_view, "#vis svg line", ("#vis svg rect", "click")),
        (head_view, "#vis svg line", ("#vis svg text", "mouseover")),
    ):
        page = folder / f"{view.__name__}.html"
        html = view(tensors, tokens, html_action="return").data
        page.write_text(f'<!doctype html><meta charset="utf-8"><body>{html}</body>')
        found.append(Way(f"BertViz `{view.__name__}`", page.as_uri(), drawn, act))
    return found


def look(browser: Browser, way: Way, modules: Path) -> Seen | None:
    """Open, wait until drawn and idle, do the first thing; `None` if it takes too long."""
    from in_browser import page_memory

    context = browser.new_context(viewport={"width": 1440, "height": 900})
    sent = 0
    try:
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")

        def received(event: dict[str, float]) -> None:
            nonlocal sent
            sent += int(event["dataLength"])

        session.on("Network.dataReceived", received)
        page.route(re.compile("^https://"), lambda route: answer(route, modules))
        page.goto(way.address, timeout=1000 * PATIENCE_S, wait_until="commit")
        frame = page
        if way.address.startswith("http"):
            element = page.wait_for_selector("iframe", state="attached", timeout=60_000)
            frame = element.content_frame()
        frame.wait_for_function(IDLE, arg=way.drawn, timeout=1000 * PATIENCE_S)
        selector, event = way.act
        frame.evaluate(ANSWERED, event)
        target = frame.locator(selector).first
        if event == "click":
            target.click(force=True, timeout=1000 * PATIENCE_S)
        else:
            target.hover(force=True, timeout=1000 * PATIENCE_S)
        seconds = since_navigation(page, frame)
        return Seen(sent=sent, seconds=seconds, memory=page_memory(page)[1])
    except Error:
        return None
    finally:
        context.close()


def since_navigation(page: Page, frame: Page) -> float:
    inside = frame.evaluate("async () => (await window.answered) + performance.timeOrigin")
    return (inside - page.evaluate("performance.timeOrigin")) / 1000


def answer(route: Route, modules: Path) -> None:
    name = route.request.url.rsplit("/", 1)[-1]
    route.fulfill(path=modules / LIBRARIES[name], content_type="text/javascript")


def ours(folder: Path, tokens: int) -> tuple[Path, Path]:
    """Record the same maps; write the offline file too."""
    from large_recordings import record_large_run

    from tb_plugin.offline import Choice, export_run

    logs = folder / "logs"
    record_large_run(logs / "run", layers=LAYERS, heads=HEADS, tokens=tokens, steps=(0,))
    file = folder / "run.html"
    export_run(str(logs / "run"), file, choice=Choice(lenses=False))
    return logs, file


def compared(browser: Browser, modules: Path, tokens: int) -> None:
    from large_recordings import peaked_maps, words

    from tests.e2e.conftest import serve

    attn = peaked_maps(np.random.default_rng(0), LAYERS, HEADS, tokens)
    bar = ".content [data-layer][data-head]"
    act = ("[data-layer='0'][data-head='0'][data-token='1'][data-value]", "mouseover")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways = bertviz_pages(folder, attn, list(words(tokens).text))
        logs, file = ours(folder, tokens)
        ways.append(Way("here, offline file", file.as_uri(), bar, act))
        with serve(logs, "--load_fast=false") as url:
            ways.append(Way("here, in TensorBoard", f"{url}#attn_monitor", bar, act))
            for way in ways:
                print(row(tokens, way, repeated(partial(look, browser, way, modules))), flush=True)


def repeated(look_once: Callable[[], Seen | None]) -> list[Seen | None]:
    """Several openings; one that takes long is not repeated."""
    found = []
    start = time.monotonic()
    while len(found) < ROUNDS and time.monotonic() - start < PATIENCE_S / 2:
        found.append(look_once())
        if found[-1] is None:
            break
    return found


def row(tokens: int, way: Way, seen: list[Seen | None]) -> str:
    known = [one for one in seen if one is not None]
    if not known:
        return f"| {tokens} | {way.name} | | not within {PATIENCE_S} s | |"
    sent, seconds, memory = (
        statistics.median(getattr(one, name) for one in known)
        for name in ("sent", "seconds", "memory")
    )
    times = f"{seconds:.2f} s (n = {len(known)})"
    return f"| {tokens} | {way.name} | {sent / 1e6:.2f} MB | {times} | {memory:.0f} MB |"


def main() -> None:
    bertviz, modules, *lengths = sys.argv[1:]
    sys.path.append(bertviz)
    print("| tokens | view | bytes received | to the first answer | page memory |")
    print("|---|---|---|---|---|")
    with sync_playwright() as playwright:
        for tokens in map(int, lengths or (32, 64, 128, 256)):
            browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
            compared(browser, Path(modules), tokens)
            browser.close()


if __name__ == "__main__":
    main()
