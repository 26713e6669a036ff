"""Every view over every kind of recording, light beside dark, to be looked at before a release.

``python scripts/picture_views.py FOLDER [--runs RUN ...] [--views VIEW ...] [--trained]`` records
what ``tests/view_recordings.py`` knows into ``FOLDER/logs``, once, and saves beside it a picture of
each state, and sheets of two states in both themes. What can be seen without eyes is printed: words
that are cut off or lie over each other, and text with too little contrast.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import cast
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Frame, Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from ensure_chromium import find  # noqa: E402
from large_recordings import record_large_run  # noqa: E402
from take_pictures import settle  # noqa: E402
from view_recordings import MODELS, Model, record_all  # noqa: E402

from tests.e2e.conftest import CHROMIUM_FLAGS, serve  # noqa: E402

LONG = "long"
TRAINED = ("trained/gpt", "trained/vision", "trained/airline", "trained/translation")
TOOLBAR = 64  # TensorBoard's own, above the tab
SHOWN_WORDS = (Path(__file__).with_name("text_faults.js")).read_text()


def every_layer(setting: str) -> str:
    return ",".join(f"{layer}:{setting}" for layer in range(24))


VIEWS: dict[str, dict[str, str]] = {
    "links": {"layers": every_layer("sh")},
    "maps": {"layers": every_layer("me")},
    "piles": {"layers": every_layer("ph")},
    "times-even": {"layers": every_layer("mh"), "scale": "even"},
    "held": {"layers": every_layer("mh"), "head": "0.0"},
    "lens": {"lens": "1.0~8r"},
    "diff": {"layers": "0:sh,1:mh,2:ph,3:sh,4:mh,5:ph", "show": "diff"},
    "heads": {"view": "heads"},
    "heads-maps": {"view": "heads", "panel": "maps"},
    "heads-diff": {"view": "heads", "panel": "maps", "show": "diff"},
    "heads-list": {"view": "heads", "panel": "list", "side": "pairs"},
    "heads-map": {"view": "heads", "panel": "joint", "head": "1.0", "side": "idle"},
    "graph": {"view": "graph"},
    "graph-diff": {"view": "graph", "show": "diff"},
    "signals": {"view": "signals"},
}
ONLY_IMAGES = {"heads-images": {"view": "heads", "panel": "pictures", "head": "1.0"}}
# What another run has to be beside: run, the address's words.
BESIDE: dict[str, dict[str, str]] = {
    "two/first": {"brun": "two/second-with-a-rather-long-name", "b": "200"},
    "mismatch/words": {"brun": "mismatch/heads", "b": "200"},
    "ten/run0": {"runs": ",".join(f"ten%2Frun{at}" for at in range(1, 10))},
}


def parts_of(run: str) -> tuple[str, ...]:
    model: Model | None = MODELS.get(run)
    return tuple(part.name for part in model.parts) if model else ("",)


def states(run: str, wanted: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    views = VIEWS | (ONLY_IMAGES if "vit" in run or "vision" in run else {})
    for name, address in views.items():
        if not wanted or name in wanted:
            yield name, {"run": run} | BESIDE.get(run, {}) | address
    for part in parts_of(run)[1:]:
        for name in ("links", "held", "graph", "heads-maps"):
            if not wanted or name in wanted:
                yield f"{name}-{part}", {"run": run, "part": part} | VIEWS[name]


def frame_of(page: Page) -> Frame:
    found = page.wait_for_selector("iframe", state="attached").content_frame()
    return cast("Frame", found)


def go(page: Page, address: dict[str, str]) -> None:
    """Show a state in the same page, and wait until nothing is on its way or being drawn."""
    text = "".join(f"&p.attn_monitor.{key}={quote(value)}" for key, value in address.items())
    page.evaluate("hash => { location.hash = hash }", f"attn_monitor{text}")
    frame = frame_of(page)
    frame.wait_for_selector(f".content[data-run='{address['run']}']", state="attached")
    settle(page)


def photograph(page: Page, theme: str) -> Image.Image:
    dark = "true" if theme == "dark" else "false"
    page.evaluate(f"() => document.body.classList.toggle('dark-mode', {dark})")
    frame = frame_of(page)
    frame.wait_for_selector(f"[data-theme={theme}]", state="attached")
    settle(page)
    whole = Image.open(BytesIO(page.screenshot())).convert("RGB")
    return whole.crop((0, TOOLBAR, whole.width, whole.height))


def sheet(pairs: tuple[tuple[Image.Image, Image.Image], ...]) -> Image.Image:
    """Two states below each other, light at the left, dark at the right."""
    width, height = pairs[0][0].size
    made = Image.new("RGB", (2 * width, len(pairs) * height))
    for row, pair in enumerate(pairs):
        for column, picture in enumerate(pair):
            made.paste(picture, (column * width, row * height))
    return made.reduce(2)


def look(page: Page, folder: Path, run: str, wanted: list[str]) -> None:
    taken = []
    for name, address in states(run, wanted):
        go(page, address)
        themes = []
        for theme in ("light", "dark"):
            themes.append(photograph(page, theme))
            for fault in frame_of(page).evaluate(SHOWN_WORDS, [theme]):
                print(f"{run} {name} {theme}: {fault}", flush=True)
            themes[-1].save(folder / f"{run.replace('/', '_')}_{name}_{theme}.png")
        taken.append((name, tuple(themes)))
        page.evaluate("() => document.body.classList.remove('dark-mode')")
    for at in range(0, len(taken), 2):
        group = taken[at : at + 2]
        sheet(tuple(pair for _, pair in group)).save(
            folder
            / f"sheet_{run.replace('/', '_')}_{at:02d}_{'_'.join(name for name, _ in group)}.png"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", nargs="*", default=[])
    parser.add_argument("--views", nargs="*", default=[])
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--trained", action="store_true", help="train four models first")
    options = parser.parse_args()
    logs = options.folder / "logs"
    if not logs.exists():
        record_all(logs)
        record_large_run(logs / LONG, layers=24, heads=16, tokens=512, steps=(0, 10, 20))
    if options.trained:
        from trained_recordings import record_trainings

        record_trainings(logs)
    runs = options.runs or [*MODELS, LONG, *(TRAINED if options.trained else ())]
    with serve(logs, "--load_fast=false") as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": options.width, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(f"{url}#attn_monitor")
        frame_of(page).wait_for_selector("[data-layer][data-head]")
        for run in runs:
            look(page, options.folder, run, options.views)


if __name__ == "__main__":
    main()
