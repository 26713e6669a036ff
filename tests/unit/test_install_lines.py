"""The lines that people copy to install the package: they are there, and name what there is."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TORCH = "pip install torch --index-url "
OURS = 'pip install "attn-monitor[train]"'
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("page", ["README.md", "docs/quick_start.md"])
def test_torch_is_chosen_before_pip_takes_gigabytes(page):
    text = (ROOT / page).read_text()
    assert 0 <= text.find(TORCH) < text.find(OURS)
    assert "gigabytes" in text


def test_every_extra_that_is_named_exists():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = [
        (page.name, extra)
        for page in pages
        for extras in re.findall(r"attn-monitor\[([\w,-]+)\]", page.read_text())
        for extra in extras.split(",")
    ]
    assert len(named) > 1
    assert [line for line in named if line[1] not in EXTRAS] == []
