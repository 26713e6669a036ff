"""Make the screenshots of the README and the docs: real TensorBoard, real Chromium, the demo's run.

python scripts/take_pictures.py [LOGDIR]      # default: .demo/logs, trained first if missing
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from ensure_chromium import find
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))
PICTURES = ROOT / "docs" / "pictures"


@dataclass(frozen=True)
class Picture:
    """One state of the tab, given by its address."""

    name: str
    state: dict[str, str] = field(default_factory=dict)
    dark: bool = False
    width: int = 1440
    hover: str | None = None  # what the mouse rests on, as a selector inside the tab


MIXED = {"layers": "0:sev0.08,1:mev0.1,2:shv0.08,3:mpv0.1,4:shv0.1,5:mev0.1"}
BAR = '[data-layer="2"][data-head="3"][data-token="2"][data-value]'
ALL = (
    Picture("network-light", MIXED),
    Picture("network-dark", MIXED, dark=True),
    Picture("network-hover-light", MIXED, hover=BAR),
    Picture("network-1100-light", MIXED, width=1100),
)


def take(page: Page, url: str, picture: Picture) -> None:
    """Open the tab in one state and save what is seen."""
    page.set_viewport_size({"width": picture.width, "height": 900})
    state = "".join(f"&p.attn_monitor.{k}={quote(v)}" for k, v in picture.state.items())
    dark = "true" if picture.dark else "false"
    page.goto("about:blank")
    page.goto(f"{url}?darkMode={dark}#attn_monitor{state}")
    frame = page.frame_locator("iframe")
    frame.locator("[data-layer][data-head]").first.wait_for(timeout=60_000)
    page.wait_for_timeout(800)
    if picture.hover:
        frame.locator(picture.hover).first.hover(force=True)
        page.wait_for_timeout(300)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{picture.name}.png")
    print(f"docs/pictures/{picture.name}.png", flush=True)


def main() -> None:
    logdir = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / ".demo" / "logs")
    from airline_sentiment import train
    from demo import tensorboard

    if not logdir.exists():
        train(logdir=str(logdir))
    with tensorboard(str(logdir), 6106) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        page = browser.new_page()
        for picture in ALL:
            take(page, url.partition("#")[0], picture)


if __name__ == "__main__":
    main()
