"""Draw docs/translation.md's pictures: a translation run in the tab.

python scripts/picture_translation.py LOGDIR          # where examples/translation.py was trained
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote

from ensure_chromium import find
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))
PICTURES = ROOT / "docs" / "pictures"

CROSS = {"part": "cross", "probe": "2", "words": "merged"}
STATES = {
    "translation-untrained": {**CROSS, "step": "0", "layers": "0:mhv0.1,1:mhv0.1,2:mhv0.1"},
    "translation-trained": {**CROSS, "layers": "0:mhv0.1,1:mhv0.1,2:phv0.1d0.53"},
    "translation-share": {**CROSS, "view": "heads", "metric": "diagonal", "curves": "splits"},
    "translation-lens": {**CROSS, "lens": "1.1~16a~8.14"},
}


def take(page: Page, url: str, name: str, state: dict[str, str]) -> None:
    """Save what the tab shows in one state."""
    address = "".join(f"&p.attn_monitor.{k}={quote(v)}" for k, v in state.items())
    page.goto("about:blank")
    page.goto(f"{url}#attn_monitor{address}")
    tab = page.frame_locator("iframe")
    tab.locator("[data-layer], [data-head]").first.wait_for(timeout=60_000)
    for waiting in ("Comparing heads", "Clustering queries"):
        tab.get_by_text(waiting).wait_for(state="hidden", timeout=120_000)
    page.wait_for_timeout(1500)
    page.screenshot(path=PICTURES / f"{name}.png")
    print(f"docs/pictures/{name}.png", flush=True)


def main() -> None:
    """Take all four."""
    from demo import tensorboard

    with tensorboard(sys.argv[1], 6406) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 860})
        for name, state in STATES.items():
            take(page, address.partition("#")[0], name, state)


if __name__ == "__main__":
    main()
