"""Every view over every kind of recording, light above dark, to be looked at before a release.

``python scripts/picture_views.py FOLDER [RECORDING ...]`` records what ``tests/view_recordings.py``
knows into ``FOLDER/logs``, once, and saves one picture per recording and view beside it.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from ensure_chromium import find  # noqa: E402
from large_recordings import record_large_run  # noqa: E402
from view_recordings import MODELS, record_all  # noqa: E402

from tests.e2e.conftest import CHROMIUM_FLAGS, serve  # noqa: E402

VIEWS = {
    "network": "",
    "heads": "&p.attn_monitor.view=heads",
    "graph": "&p.attn_monitor.view=graph",
    "signals": "&p.attn_monitor.view=signals",
}
READY = ".panel, .cell, .graph-canvas, .chart"
LONG = "long"
# What is drawn after the last reply came.
SETTLE_MS = 1500


def recorded(folder: Path) -> Path:
    logs = folder / "logs"
    if not logs.exists():
        record_all(logs)
        record_large_run(logs / LONG, layers=24, heads=16, tokens=512, steps=(0, 10, 20))
    return logs


def pictures(page: Page, folder: Path, url: str, run: str) -> None:
    for view, address in VIEWS.items():
        page.goto("about:blank")
        page.goto(f"{url}#attn_monitor&p.attn_monitor.run={run}{address}")
        page.frame_locator("iframe").locator(READY).first.wait_for(timeout=60_000)
        page.wait_for_timeout(SETTLE_MS)
        shown = [page.screenshot()]
        page.evaluate("() => document.body.classList.add('dark-mode')")
        page.wait_for_timeout(SETTLE_MS)
        shown.append(page.screenshot())
        light, dark = (Image.open(BytesIO(png)).convert("RGB") for png in shown)
        both = Image.new("RGB", (light.width, light.height + dark.height))
        both.paste(light, (0, 0))
        both.paste(dark, (0, light.height))
        both.save(folder / f"{run.replace('/', '_')}_{view}.png", optimize=True)


def main() -> None:
    folder = Path(sys.argv[1])
    runs = sys.argv[2:] or [*MODELS, LONG]
    with serve(recorded(folder), "--load_fast=false") as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        for run in runs:
            pictures(page, folder, url, run)


if __name__ == "__main__":
    main()
