"""Does it work with the oldest and the newest of what it needs, on every Python it allows?

``python scripts/versions.py [3.11-lowest ...]``: makes an environment for each, runs the tests of
all that reads and shows recordings in it, and prints a line for the table in docs/reliability.md.
PyTorch comes from the environment this runs in, where the Python is the same: it is large, and
other wheels of it bring a GPU's libraries. Where it is there, a recording is made too.
"""

from __future__ import annotations

import re
import shutil
import site
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("store", "server", "signals", "figures", "analysis", "offline")
TOOLS = ("pytest", "pytest-timeout", "hypothesis", "beartype", "xarray", "zarr", "ripser")
EACH = ("3.11-lowest", "3.11-newest", "3.12-newest", "3.13-newest")
_HEAVY = frozenset({"torch", "lightning", "transformers"})
_IMPORTED = re.compile(r"^\s*(?:import|from) (\w+)", re.MULTILINE)
_LOWER = re.compile(r"([\w-]+)>=([\w.]+)")


def wanted(which: str) -> list[str]:
    """Return what an environment with the lowest or the newest dependencies has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lower = [_LOWER.fullmatch(one) for one in project["dependencies"]]
    names = [(one[1], one[2]) for one in lower if one is not None]
    pinned = [f"{name}=={low}" if which == "lowest" else name for name, low in names]
    return [*pinned, *TOOLS]


def interpreter(version: str) -> str | None:
    """Return an interpreter of this version: on the path, or one of pyenv's or uv's."""
    kept = (".pyenv/versions", ".local/share/uv/python")
    others = (p for folder in kept for p in (Path.home() / folder).glob(f"*/bin/python{version}"))
    for python in (shutil.which(f"python{version}"), *map(str, others)):
        # What pyenv puts on the path need not run.
        if (
            python
            and not subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode
        ):
            return python
    return None


def run(which: str) -> str:
    """Try one environment; return its line of the table."""
    version, kind = which.split("-")
    python = interpreter(version)
    if python is None:
        return f"| {version} | {kind} | no such Python here | |"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "venv"
        subprocess.run([python, "-m", "venv", made], check=True)
        inside = str(made / "bin" / "python")
        install = [inside, "-m", "pip", "install", "--quiet", "--prefer-binary", *wanted(kind)]
        if subprocess.run(install, check=False).returncode:
            return f"| {version} | {kind} | does not install | |"
        here = f"{sys.version_info.major}.{sys.version_info.minor}" == version
        paths = [str(ROOT), *(site.getsitepackages() if here else [])]
        (packages,) = (made / "lib").glob("python*/site-packages")
        (packages / "zz_versions.pth").write_text("\n".join(paths) + "\n")
        found = _tests(inside, torch=here)
        recorded = _recorded(inside, Path(folder)) if here else "not tried: no PyTorch"
    return f"| {version} | {kind} | {found} | {recorded} |"


def _tests(python: str, *, torch: bool) -> str:
    tested = sorted(p for each in FOLDERS for p in (ROOT / "tests/unit" / each).rglob("test_*.py"))
    arguments = [str(path) for path in tested if torch or not _needs_torch(path)]
    # Filters of warnings name Lightning, which need not be there.
    options = ["-q", "-p", "no:cacheprovider", "--no-header", "-o", "filterwarnings=default"]
    command = [python, "-m", "pytest", *options, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode:
        print("\n".join(lines[-60:]), file=sys.stderr)
    return lines[-1].strip("= ") if lines else done.stderr[-200:]


def _needs_torch(path: Path) -> bool:
    """Return whether a test imports torch, or one of the helpers beside the tests that do."""
    imported = _IMPORTED.findall(path.read_text("utf-8"))
    helpers = (ROOT / "tests" / f"{name}.py" for name in imported)
    return bool(_HEAVY.intersection(imported)) or any(
        h.exists() and _needs_torch(h) for h in helpers
    )


def _recorded(python: str, folder: Path) -> str:
    for what in ("record", "read"):
        command = [python, str(ROOT / "scripts" / "smoke.py"), what, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            return f"{what}: {done.stderr.strip().splitlines()[-1]}"
    return "recorded and read"


if __name__ == "__main__":
    print("| Python | dependencies | tests | a recording |\n|---|---|---|---|")
    for one in sys.argv[1:] or EACH:
        print(run(one), flush=True)
