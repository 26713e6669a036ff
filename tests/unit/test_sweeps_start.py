"""Every program that a target of the Makefile runs for hours, or for a release, starts."""

from pathlib import Path

import pytest

from tests.programs import run_program

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(
    str(path.relative_to(ROOT))
    for folder in ("scripts", "tests/reliability")
    for path in (ROOT / folder).rglob("*.py")
    if "ArgumentParser(" in (text := path.read_text(encoding="utf-8"))
    and "from moto" not in text  # which `make remote` installs for itself
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_says_what_it_takes(program):
    done = run_program("--help", file=ROOT / program)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("usage:")
