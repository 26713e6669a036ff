"""Make the screenshots of the README and the docs: real TensorBoard, real Chromium, the demo's run.

python scripts/take_pictures.py [LOGDIR [NAME ...]]   # .demo/logs, trained first if missing; all
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import cast
from urllib.parse import quote

from ensure_chromium import find
from PIL import Image
from playwright.sync_api import Frame, Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))
PICTURES = ROOT / "docs" / "pictures"


@dataclass(frozen=True)
class Picture:
    """One state of the tab, given by its address."""

    name: str
    state: dict[str, str] = field(default_factory=dict)
    themes: tuple[str, ...] = ("light", "dark")
    width: int = 1440
    ready: str = "[data-layer][data-head]"  # what is there once the view is drawn
    hover: str | None = None  # what the mouse rests on, as a selector inside the tab


def all_layers(setting: str) -> str:
    """Six layers set alike, as in the address."""
    return ",".join(f"{layer}:{setting}" for layer in range(6))


MIXED = {"layers": "0:sev0.08,1:mev0.1,2:shv0.08,3:mpv0.1,4:shv0.1,5:mev0.1"}
SHORT = {"probe": "4"}
CHANGES = "0:shv0.15,1:mev0.1,2:shv0.15,3:mev0.1,4:shv0.15,5:mev0.1"
BOX = '.token-box[data-layer="2"][data-token="2"]'
ALL = (
    Picture("network", MIXED),
    Picture("network-hover", MIXED, hover=BOX, themes=("light",)),
    Picture("network-1100", MIXED, width=1100, themes=("light",)),
    Picture("maps", SHORT | {"layers": all_layers("mev0.1")}),
    Picture("piles", SHORT | {"layers": all_layers("phv0.1d0.25")}, ready=".pile, [data-pile]"),
    Picture("comparison", SHORT | {"layers": CHANGES, "show": "diff", "b": "0"}),
    Picture("heads", {"view": "heads"}, ready=".view svg"),
    Picture(
        "heads-over-time", {"view": "heads", "head": "2.3", "panel": "joint"}, ready=".view svg"
    ),
    Picture("lens", MIXED | {"lens": "2.3~16r"}, ready=".lens svg, .lens canvas"),
    Picture("graph", SHORT | {"view": "graph"}, ready=".view canvas"),
    Picture("signals", {"view": "signals"}, ready=".view svg"),
)
COLOURS = 256
# The same page five times in a row, and no sign that something is on its way.
UNTIL_STILL = """() => new Promise((done, failed) => {
  let [before, same, looks] = ["", 0, 0];
  const look = () => {
    const now = document.body.innerHTML;
    same = now === before && !document.querySelector(".busy *") ? same + 1 : 0;
    before = now;
    if (same >= 4) {
      requestIdleCallback(() => done(), { timeout: 1500 });
    } else if (++looks > 1000) {
      failed(new Error("the tab does not come to rest"));
    } else {
      setTimeout(look, 150);
    }
  };
  look();
})"""


def settle(page: Page) -> None:
    """Wait until the tab has nothing on its way and has drawn what came, however busy the machine.

    Not until the network is quiet: the tab asks every few seconds for new steps.
    """
    frame = page.wait_for_selector("iframe", state="attached").content_frame()
    cast("Frame", frame).evaluate(UNTIL_STILL)


def take(page: Page, url: str, picture: Picture, theme: str) -> None:
    """Open the tab in one state and save what is seen."""
    page.set_viewport_size({"width": picture.width, "height": 900})
    state = "".join(f"&p.attn_monitor.{k}={quote(v)}" for k, v in picture.state.items())
    dark = "true" if theme == "dark" else "false"
    page.goto("about:blank")
    page.goto(f"{url}?darkMode={dark}#attn_monitor{state}")
    frame = page.frame_locator("iframe")
    frame.locator(picture.ready).first.wait_for(timeout=120_000)
    settle(page)
    if picture.hover:
        frame.locator(picture.hover).first.hover(force=True)
        settle(page)
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{picture.name}-{theme}.png"
    save_small(page.screenshot(), path)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def save_small(png: bytes, path: Path) -> None:
    """Keep 256 colours: a picture of flat areas and text needs no more."""
    with Image.open(BytesIO(png)) as picture:
        few = picture.convert("RGB").quantize(
            COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE
        )
        few.save(path, optimize=True)


def main() -> None:
    logdir = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / ".demo" / "logs")
    wanted = sys.argv[2:]
    from airline_sentiment import train
    from demo import tensorboard

    if not logdir.exists():
        train(logdir=str(logdir))
    with tensorboard(str(logdir), 6106) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        page = browser.new_page()
        for picture in ALL:
            if not wanted or picture.name in wanted:
                for theme in picture.themes:
                    take(page, url.partition("#")[0], picture, theme)


if __name__ == "__main__":
    main()
