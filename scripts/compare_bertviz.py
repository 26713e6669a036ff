"""Show the same attention in BertViz and here, in the same Chromium: bytes, time, memory.

python scripts/compare_bertviz.py BERTVIZ NODE_MODULES OPENINGS [--minutes 8] [--rounds 20]

BERTVIZ is a folder that holds the package `bertviz` (pip install --no-deps --target), NODE_MODULES
one that holds its libraries (npm install jquery@2 d3@5.7.0 requirejs@2.3.6): its pages ask a public
server for these, and are answered from there instead, so that no network is timed.

Every opening is appended to the file OPENINGS, always of the row that took the least time so far:
rows take turns under the same load. Several calls can share the work; the table is of all openings.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from ensure_chromium import find
from playwright.sync_api import Browser, Error, Page, Route, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "bench")]

LAYERS, HEADS = 6, 12
LENGTHS = (32, 64, 128, 256)
PATIENCE_S = 90
# A page that was not drawn in time is not waited for more often than this.
PATIENT = 3
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
        tokens: The length of the text.
        name: The program and its view.
        address: What is opened.
        drawn: A selector that exists once it is drawn.
        act: What a person does first: selector and event.
    """

    tokens: int
    name: str
    address: str
    drawn: str
    act: tuple[str, str]


@dataclass(frozen=True)
class Opening:
    """What one opening took, nothing where the page was not drawn in time.

    Attributes:
        tokens: The length of the text.
        name: The program and its view.
        load: The machine's load average over the minute before.
        took: Seconds that it took altogether, also where nothing was drawn.
        sent: Bytes received.
        seconds: From the address to the first answer.
        memory: Megabytes private to the page's process.
    """

    tokens: int
    name: str
    load: float
    took: float
    sent: int | None = None
    seconds: float | None = None
    memory: float | None = None


def bertviz_pages(folder: Path, attn: np.ndarray, tokens: list[str]) -> Iterator[Way]:
    import torch
    from bertviz import head_view, model_view

    tensors = [torch.from_numpy(layer)[None] for layer in attn]
    for view, act in (
        (model_view, ("#vis svg rect", "click")),
        (head_view, ("#vis svg text", "mouseover")),
    ):
        page = folder / f"{view.__name__}.html"
        html = view(tensors, tokens, html_action="return").data
        page.write_text(f'<!doctype html><meta charset="utf-8"><body>{html}</body>')
        name = f"BertViz `{view.__name__}`"
        yield Way(len(tokens), name, page.as_uri(), "#vis svg line", act)


def look(browser: Browser, way: Way, modules: Path) -> Opening:
    """Open, wait until drawn and idle, do the first thing."""
    from in_browser import page_memory

    load = float(Path("/proc/loadavg").read_text().split()[0])
    start = time.monotonic()
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
        memory = page_memory(page)[1]
        took = time.monotonic() - start
        return Opening(way.tokens, way.name, load, took, sent, seconds, memory)
    except Error:
        return Opening(way.tokens, way.name, load, time.monotonic() - start)
    finally:
        context.close()


def since_navigation(page: Page, frame: Page) -> float:
    inside = frame.evaluate("async () => (await window.answered) + performance.timeOrigin")
    return (inside - page.evaluate("performance.timeOrigin")) / 1000


def answer(route: Route, modules: Path) -> None:
    name = route.request.url.rsplit("/", 1)[-1]
    route.fulfill(path=modules / LIBRARIES[name], content_type="text/javascript")


def ways_of(lengths: Iterable[int], stack: ExitStack) -> Iterator[Way]:
    """All ways to look at each text; they exist until the stack is closed."""
    from large_recordings import peaked_maps, record_large_run, words

    from tb_plugin.offline import Choice, export_run
    from tests.e2e.conftest import serve

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    logs = folder / "logs"
    drawn = ".content [data-layer][data-head]"
    act = (".token-box[data-layer='0'][data-token='1']", "mouseover")
    for tokens in lengths:
        here = folder / str(tokens)
        here.mkdir()
        attn = peaked_maps(np.random.default_rng(0), LAYERS, HEADS, tokens)
        yield from bertviz_pages(here, attn, list(words(tokens).text))
        run = logs / f"of{tokens}"
        record_large_run(run, layers=LAYERS, heads=HEADS, tokens=tokens, steps=(0,))
        file = here / "run.html"
        export_run(str(run), file, choice=Choice(lenses=False))
        yield Way(tokens, "here, offline file", file.as_uri(), drawn, act)
    url = stack.enter_context(serve(logs, "--load_fast=false"))
    for tokens in lengths:
        address = f"{url}#attn_monitor&p.attn_monitor.run=of{tokens}"
        yield Way(tokens, "here, in TensorBoard", address, drawn, act)


def next_way(ways: Iterable[Way], seen: list[Opening], rounds: int) -> Way | None:
    """The way that took the least time so far; `None` once all were opened often enough."""

    def of(way: Way) -> list[Opening]:
        return [one for one in seen if (one.tokens, one.name) == (way.tokens, way.name)]

    def is_done(way: Way) -> bool:
        late = sum(one.seconds is None for one in of(way))
        return late >= PATIENT or len(of(way)) >= rounds

    left = [way for way in ways if not is_done(way)]
    return min(left, key=lambda way: sum(one.took for one in of(way)), default=None)


def known(file: Path) -> list[Opening]:
    lines = file.read_text().splitlines() if file.exists() else []
    return [Opening(**json.loads(line)) for line in lines]


def row(tokens: int, name: str, openings: list[Opening]) -> str:
    drawn = [one for one in openings if one.seconds is not None]
    load = f"{statistics.median(one.load for one in openings):.1f}"
    if not drawn:
        late = f"not within {PATIENCE_S} s"
        return f"| {tokens} | {name} | | {late} | n = {len(openings)} | | {load} |"
    sent, memory = (
        statistics.median(getattr(one, field) for one in drawn) for field in ("sent", "memory")
    )
    times = sorted(one.seconds for one in drawn)
    middle = f"{statistics.median(times):.2f} s"
    spread = f"{times[0]:.2f} to {times[-1]:.2f} s, n = {len(times)}"
    taken = f"{sent / 1e6:.2f} MB | {middle} | {spread} | {memory:.0f} MB"
    return f"| {tokens} | {name} | {taken} | {load} |"


def table(openings: list[Opening]) -> str:
    rows = sorted({(one.tokens, one.name) for one in openings})
    lines = [
        row(tokens, name, [one for one in openings if (one.tokens, one.name) == (tokens, name)])
        for tokens, name in rows
    ]
    return "\n".join(
        (
            "| tokens | view | received | to the first answer | spread | page memory | load |",
            "|---|---|---|---|---|---|---|",
            *lines,
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bertviz", type=Path)
    parser.add_argument("node_modules", type=Path)
    parser.add_argument("openings", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--tokens", type=int, nargs="+", default=LENGTHS)
    options = parser.parse_args()
    sys.path.append(str(options.bertviz))
    openings = known(options.openings)
    end = time.monotonic() + 60 * options.minutes
    with ExitStack() as stack, sync_playwright() as playwright:
        ways = list(ways_of(options.tokens, stack))
        while time.monotonic() < end and (way := next_way(ways, openings, options.rounds)):
            browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
            openings.append(look(browser, way, options.node_modules))
            browser.close()
            with options.openings.open("a") as log:
                log.write(json.dumps(asdict(openings[-1])) + "\n")
    print(table(openings))


if __name__ == "__main__":
    main()
