"""Make the screenshot of an exported page in MLflow's own pages: its real server, real Chromium.

python scripts/picture_mlflow.py PYTHON   # of an environment with `pip install mlflow`
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from ensure_chromium import find
from playwright.sync_api import sync_playwright
from take_pictures import PICTURES, ROOT, save_small

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

PORT = 6206
PATIENCE = 300_000  # milliseconds; on a busy machine MLflow takes minutes to start
LOG = """
import mlflow, pathlib
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.create_experiment("attention", artifact_location=(pathlib.Path.cwd() / "artifacts").as_uri())
mlflow.set_experiment("attention")
with mlflow.start_run() as run:
    mlflow.log_artifact("page.html", "attention")
    print(run.info.experiment_id, run.info.run_id)
"""


def main() -> None:
    """Log a page as `attn-monitor export --to mlflow` does, and look at it in MLflow."""
    from tb_plugin.offline import export_run
    from tests.markers import write_run
    from tests.recordings import encoder_info, record

    python, info = sys.argv[1], encoder_info(lengths=(5, 7, 6, 4))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder / "run", info, [record(info, step) for step in (0, 10, 20)])
        export_run(str(folder / "run"), folder / "page.html")
        logged = subprocess.check_output([python, "-c", LOG], cwd=folder, text=True)
        experiment, run = logged.split()[-2:]
        serve = ("-m", "mlflow", "ui", "--workers=1", f"--port={PORT}")
        store = "--backend-store-uri=sqlite:///mlflow.db"
        server = subprocess.Popen([python, *serve, store], cwd=folder)
        try:
            url = f"http://localhost:{PORT}/"
            take(f"{url}#/experiments/{experiment}/runs/{run}/artifacts/attention/page.html")
        finally:
            server.terminate()
            server.wait()


def take(url: str) -> None:
    """Wait for the page in MLflow's frame and save what is seen."""
    for _ in range(600):
        with suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            break
        time.sleep(0.5)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.set_default_timeout(PATIENCE)
        page.goto(url, wait_until="commit")
        page.frame_locator("iframe").locator("[data-layer][data-head]").first.wait_for()
        with suppress(Exception):  # MLflow's assistant covers a third of the page
            page.get_by_role("button", name="Close").first.click(timeout=5000)
        page.wait_for_timeout(3000)
        save_small(page.screenshot(), PICTURES / "mlflow.png")


if __name__ == "__main__":
    main()
