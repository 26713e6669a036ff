"""Find a Chromium for the browser tests, or install one: apt as root, else Playwright's own.

The one without windows of its own comes first: it opens the tab with two thirds of the work.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """Return the path of a Chromium: ``$CHROMIUM``, one on the path, or Playwright's own."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    on_path = next((found for name in NAMES if (found := shutil.which(name))), None)
    return on_path or _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return str(path) if path.exists() else None


def install() -> None:
    """Install Chromium by the first way that this machine offers."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if _apt_get(environment, "update"):
            install = ("install", "-y", "--no-install-recommends")
            if not _apt_get(environment, *install, SHELL) and find() is None:
                _apt_get(environment, *install, "chromium")
    elif find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def _apt_get(environment: dict[str, str], *command: str) -> bool:
    print("apt-get", *command, flush=True)
    return subprocess.run(["apt-get", "-q", *command], check=False, env=environment).returncode == 0


def main() -> int:
    if "CHROMIUM" not in os.environ and not shutil.which(SHELL):
        install()
    path = find()
    if path is None:
        print(
            "No Chromium found and none could be installed. Install the package `chromium`, run\n"
            "`playwright install chromium`, or set CHROMIUM to the path of one.",
            file=sys.stderr,
        )
        return 1
    print(f"Chromium for the browser tests: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
