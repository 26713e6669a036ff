"""Draw docs/gallery.md's pictures: each buggy model beside its healthy twin, as the tab shows them.

python scripts/picture_gallery.py [LOGDIR]            # default: .demo/gallery, trained if missing
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from urllib.parse import quote

from ensure_chromium import find
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))
PICTURES = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1300, 700
RAIL, TOP, FOOT = 224, 118, 34  # what is the same in both pictures is cut off

MAPS = {"layers": "0:mhv0.1,1:mhv0.1"}
STATES = {
    "missing_causal_mask": MAPS,
    "missing_positions": {"view": "heads", "metric": "prev", "curves": "splits"},
    "wrong_scale": {**MAPS, "step": "0"},
    "collapsed_heads": {"layers": "0:mhv0.1,1:phv0.1"},
    "padding_attended": {**MAPS, "step": "0"},
    "shuffled_targets": {**MAPS, "part": "cross"},
    "packing_leak": {"view": "signals"},
    "exploding_logits": {"view": "signals"},
}


def shot(page: Page, url: str, run: str, state: dict[str, str]) -> Image.Image:
    """Return what the tab shows of a run, without its rail."""
    pairs = {"run": run, **state}
    address = "".join(f"&p.attn_monitor.{k}={quote(v)}" for k, v in pairs.items())
    page.goto("about:blank")
    page.goto(f"{url}#attn_monitor{address}")
    tab = page.frame_locator("iframe")
    tab.locator("[data-layer], [data-head], [data-mask]").first.wait_for(timeout=60_000)
    tab.get_by_text("Comparing heads").wait_for(state="hidden", timeout=60_000)
    if "signals" in state.values():
        tab.locator("[data-growth]").scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    picture = Image.open(io.BytesIO(page.screenshot()))
    return picture.crop((RAIL, TOP, WIDTH, HEIGHT - FOOT))


def beside(buggy: Image.Image, healthy: Image.Image) -> Image.Image:
    """Return both pictures with their names above them."""
    gap, head = 24, 34
    sheet = Image.new("RGB", (2 * buggy.width + gap, buggy.height + head), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(22)
    for picture, name, left in ((buggy, "buggy", 0), (healthy, "healthy", buggy.width + gap)):
        sheet.paste(picture, (left, head))
        draw.text((left + 8, 4), name, fill="black", font=font)
    return sheet


def main() -> None:
    """Draw all."""
    from buggy_models import BUGS, train
    from demo import tensorboard

    logdir = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / ".demo" / "gallery")
    for name in BUGS:
        for twin in ("healthy", "buggy"):
            if not (logdir / "gallery" / name / twin).exists():
                train(name, twin, logdir=str(logdir))
    with tensorboard(str(logdir), 6306) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        url = address.partition("#")[0]
        for name, state in STATES.items():
            twins = [shot(page, url, f"gallery/{name}/{t}", state) for t in ("buggy", "healthy")]
            path = PICTURES / f"gallery-{name.replace('_', '-')}.png"
            beside(*twins).save(path, optimize=True)
            print(path.relative_to(ROOT), flush=True)


if __name__ == "__main__":
    main()
