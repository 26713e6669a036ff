"""Make the screenshots of ``docs/wild.md``: recordings of `make wild` in TensorBoard, in Chromium.

python scripts/picture_wild.py [build/wild/trainings [NAME ...]]   # all by default
"""

from __future__ import annotations

import sys
from pathlib import Path

from ensure_chromium import find
from playwright.sync_api import sync_playwright
from take_pictures import PICTURES, ROOT, save_small

sys.path.insert(0, str(ROOT / "examples"))
DRAWN = "[data-layer][data-head]"
SHOWN = {
    "wild-darts": "darts/TFTModel",
    "wild-neuralforecast": "neuralforecast/iTransformer",
    "wild-rectools": "rectools/SASRec",
    "wild-pytorch-tabular": "pytorch_tabular/FT-Transformer",
}


def main() -> None:
    trainings = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "wild" / "trainings")
    from demo import tensorboard

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        for name in sys.argv[2:] or SHOWN:
            model = SHOWN[name]
            with tensorboard(str(trainings / model / "watched"), 6106) as url:
                page.goto("about:blank")  # the same address would not be loaded anew
                page.goto(f"{url.partition('#')[0]}#attn_monitor")
                page.frame_locator("iframe").locator(DRAWN).first.wait_for(timeout=60_000)
                page.wait_for_timeout(2000)
                save_small(page.screenshot(), PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
