"""Make the pictures of docs/signals.md: three small runs, the real TensorBoard, a real Chromium.

python scripts/picture_signals.py [LOGDIR]      # default: trained anew, half a minute
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from ensure_chromium import find
from playwright.sync_api import sync_playwright
from take_pictures import PICTURES, ROOT, Picture

sys.path[:0] = [str(ROOT), str(ROOT / "examples")]

SIZE = {"width": 1440, "height": 900}
ALL = (
    Picture("signals-overfit-light", {"run": "overfit", "step": "132"}),
    Picture("signals-overfit-dark", {"run": "overfit", "step": "132"}, dark=True),
    Picture("signals-healthy-light", {"run": "healthy"}),
    Picture("signals-unbalanced-light", {"run": "unbalanced"}),
)


def take_all(logdir: Path) -> None:
    """Save every picture of the runs in a log directory."""
    from demo import tensorboard

    with tensorboard(str(logdir), 6107) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        for picture in ALL:
            page = browser.new_page(viewport=SIZE)
            state = "".join(f"&p.attn_monitor.{k}={v}" for k, v in picture.state.items())
            dark = str(picture.dark).lower()
            address = url.partition("#")[0]
            page.goto(f"{address}?darkMode={dark}#attn_monitor&p.attn_monitor.view=signals{state}")
            frame = page.frame_locator("iframe")
            frame.locator("[data-state]").wait_for(timeout=60_000)
            frame.locator('[data-chart="metric-2"] .line').first.wait_for(timeout=60_000)
            page.wait_for_timeout(500)
            page.screenshot(path=PICTURES / f"{picture.name}.png")
            page.close()
            print(f"docs/pictures/{picture.name}.png", flush=True)


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
