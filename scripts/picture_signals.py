"""Make the pictures of docs/signals.md: three small runs, the real TensorBoard, a real Chromium.

python scripts/picture_signals.py [LOGDIR]      # default: trained anew, half a minute
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from ensure_chromium import find
from playwright.sync_api import sync_playwright
from take_pictures import ROOT, Picture, take

sys.path[:0] = [str(ROOT), str(ROOT / "examples")]

READY = '[data-chart="metric-2"] .line'
ALL = (
    Picture("signals-overfit", {"view": "signals", "run": "overfit", "step": "132"}, ready=READY),
    Picture("signals-healthy", {"view": "signals", "run": "healthy"}, ("light",), ready=READY),
    Picture(
        "signals-unbalanced", {"view": "signals", "run": "unbalanced"}, ("light",), ready=READY
    ),
)


def take_all(logdir: Path) -> None:
    """Save every picture of the runs in a log directory."""
    from demo import tensorboard

    with tensorboard(str(logdir), 6107) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        for picture in ALL:
            for theme in picture.themes:
                take(browser.new_page(), url.partition("#")[0], picture, theme)


def main() -> None:
    if len(sys.argv) > 1:
        take_all(Path(sys.argv[1]))
        return
    from tests.signal_runs import RUNS, train

    with tempfile.TemporaryDirectory() as folder:
        for name in RUNS:
            train(Path(folder), name)
        take_all(Path(folder))


if __name__ == "__main__":
    main()
