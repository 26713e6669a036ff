"""Draw the pictures of three examples in the tab, in the light and in the dark.

python scripts/picture_examples.py translation LOGDIR [NAME ...]   # where it was trained
python scripts/picture_examples.py causal_lm LOGDIR [NAME ...]
python scripts/picture_examples.py vision LOGDIR [NAME ...]
"""

from __future__ import annotations

import sys

from ensure_chromium import find
from playwright.sync_api import sync_playwright
from take_pictures import ROOT, Picture, take

sys.path.insert(0, str(ROOT / "examples"))

CROSS = {"part": "cross", "probe": "14", "words": "merged"}
MAPS = {**CROSS, "layers": "0:mhv0.1,1:mhv0.1,2:mhv0.1"}
PILES = {"layers": "0:phv0.1d0.36,1:phv0.1d0.36,2:phv0.1d0.36"}
TRANSLATION = (
    Picture("translation-untrained", {**MAPS, "step": "0"}),
    Picture("translation-trained", MAPS),
    Picture("translation-piles", {**CROSS, **PILES}, ready=".pile, [data-pile]"),
    Picture(
        "translation-piles-encoder",
        {**CROSS, **PILES, "part": "encoder"},
        ready=".pile, [data-pile]",
    ),
    Picture(
        "translation-share",
        {**CROSS, "view": "heads", "metric": "diagonal", "curves": "splits", "head": "2.2"},
        ready=".view svg",
    ),
    Picture("translation-lens", {**CROSS, "lens": "2.0~16a~10.5"}, ready=".lens svg"),
)
LINES = {"view": "heads", "curves": "splits"}
CAUSAL_LM = (
    Picture("causal-previous", {**LINES, "metric": "prev", "head": "0.0"}, ready=".view svg"),
    Picture("causal-induction", {**LINES, "metric": "induction", "head": "1.0"}, ready=".view svg"),
)
VISION = (
    Picture("vision", {}),
    Picture(
        "vision-over-the-image", {"view": "heads", "panel": "pictures"}, ready=".picture-whole"
    ),
)
EXAMPLES = {"translation": TRANSLATION, "causal_lm": CAUSAL_LM, "vision": VISION}


def main() -> None:
    """Take all of an example, or those that are named."""
    from demo import tensorboard

    example, logdir, *wanted = sys.argv[1:]
    with tensorboard(logdir, 6406) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        page = browser.new_page()
        for picture in EXAMPLES[example]:
            if not wanted or picture.name in wanted:
                for theme in picture.themes:
                    take(page, url.partition("#")[0], picture, theme)


if __name__ == "__main__":
    main()
