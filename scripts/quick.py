"""Check what changed: the linters, and the unit tests that mirror the changed folders.

``python scripts/quick.py`` compares with ``main``, ``python scripts/quick.py HEAD~3`` with that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALWAYS = ["tests/unit/test_architecture.py"]
# Folders whose tests do not bear their name.
ELSEWHERE = {
    "attn_monitor/core": ["tests/unit/core", "tests/unit/store/test_store_roundtrip.py"],
    "attn_monitor/wrapper": ["tests/unit/test_wrapper.py"],
    "attn_monitor/integrations": ["tests/unit/test_signatures.py"],
    "tb_plugin/frontend": [],
}


def changed(since: str) -> list[str]:
    """Return the files that differ from a commit, and those that git does not know yet."""
    named = git("diff", "--name-only", "--merge-base", since)
    return sorted({*named, *git("ls-files", "--others", "--exclude-standard")})


def tests_of(files: list[str]) -> list[str]:
    """Return the test files and folders that answer for some files."""
    found = list(ALWAYS)
    for name in files:
        parts = Path(name).parts
        if parts[0] == "tests" and name.endswith(".py") and Path(name).name.startswith("test_"):
            found.append(name)
        elif parts[0] in {"attn_monitor", "tb_plugin"} and len(parts) > 2:  # noqa: PLR2004
            folder = "/".join(parts[:2])
            mirrored = [f"tests/unit/{parts[1]}/{part}" for part in parts[2:3]]
            mirrored = [m for m in mirrored if (ROOT / m).is_dir()] or [f"tests/unit/{parts[1]}"]
            found += ELSEWHERE.get(folder, mirrored)
        elif parts[0] == "attn_monitor":
            found.append("tests/unit/test_signatures.py")
        elif name.endswith(".md"):
            found.append("tests/unit/test_acceptance_page.py")
    there = [path for path in dict.fromkeys(found) if (ROOT / path).exists()]
    return [path for path in there if not any(path.startswith(f"{other}/") for other in there)]


def git(*arguments: str) -> list[str]:
    """Return the lines that a git command prints."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def main(since: str) -> int:
    """Run the checks; return the first exit status that is not 0."""
    files = changed(since)
    front = [name for name in files if name.startswith("tb_plugin/frontend/")]
    python = [sys.executable, "-m"]
    commands = [
        ([*python, "ruff", "check", "."], ROOT),
        ([*python, "ruff", "format", "--check", "."], ROOT),
        (
            [*python, "pytest", "-q", "-n", "2", "-m", "not bench and not e2e", *tests_of(files)],
            ROOT,
        ),
    ]
    if front:
        commands += [(["npm", "run", "check"], ROOT / "tb_plugin/frontend")]
        commands += [(["npm", "test"], ROOT / "tb_plugin/frontend")]
    for command, folder in commands:
        print("$", " ".join(command), flush=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        status = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else "main"))
