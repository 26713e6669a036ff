"""Release in one command: fold the changelog, build, try it in empty environments, tag.

``python scripts/release.py 0.2.0`` commits and tags; nothing is pushed or uploaded.
``python scripts/release.py --check`` builds and tries what is there, and changes nothing.
"""

from __future__ import annotations

import datetime
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from fold_changes import fold

ROOT = Path(__file__).resolve().parents[1]
VERSIONED = {
    "pyproject.toml": r'^version = ".*"$',
    "CITATION.cff": r"^version: .*$",
    "attn_monitor/core/version.py": r'^VERSION = ".*"$',
}


def release(version: str) -> None:
    """Write the version everywhere, check what is built, commit and tag."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise SystemExit(f"a version is three numbers, got {version!r}")
    if run("git", "status", "--porcelain"):
        raise SystemExit("commit or stash first: a release is made of what is committed")
    fold(version, datetime.date.today().isoformat())
    for name, pattern in VERSIONED.items():
        page = ROOT / name
        line = re.search(pattern, page.read_text(), re.MULTILINE)[0]
        new = re.sub(r"\d+\.\d+\.\d+", version, line)
        page.write_text(page.read_text().replace(line, new, 1))
    check()
    run("git", "commit", "-qam", f"Release {version}")
    run("git", "tag", "-a", f"v{version}", "-m", f"Version {version}")
    print(f"v{version} is committed and tagged; push it with `git push --follow-tags`")


def check() -> None:
    """Build sdist and wheel; record, show and export a run where only one of them is installed."""
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "build", "--outdir", folder, str(ROOT))
        wheel, sdist = next(Path(folder).glob("*.whl")), next(Path(folder).glob("*.tar.gz"))
        for built in (wheel, sdist):
            try_out(built, Path(folder) / f"try-{built.suffix[1:]}")
        (ROOT / "dist").mkdir(exist_ok=True)
        for built in (wheel, sdist):
            shutil.copy(built, ROOT / "dist")


def try_out(built: Path, folder: Path) -> None:
    """Install what was built, with what training needs, into an environment of its own."""
    venv.create(folder / "env", with_pip=True)
    python = str(folder / "env" / "bin" / "python")
    pinned = ["-c", str(ROOT / "constraints.txt")]
    run(python, "-m", "pip", "install", "-q", *pinned, f"attn-monitor[train] @ {built.as_uri()}")
    shutil.copy(ROOT / "scripts" / "smoke.py", folder)
    for what in ("record", "read"):
        print(built.name, what, run(python, "smoke.py", what, str(folder), cwd=folder))


def run(*command: str, cwd: Path = ROOT) -> str:
    """Run a command; return what it printed, or end with what it complained of."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout.strip()


if __name__ == "__main__":
    check() if sys.argv[1:] == ["--check"] else release(sys.argv[1])
