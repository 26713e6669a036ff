"""What the documentation shows can be run as it stands, and its links lead somewhere."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
COMPLETE = ["quick_start.md", "adding_a_metric.md"]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", COMPLETE)
def test_the_code_of_a_page_runs_from_top_to_bottom(name, tmp_path):
    page = tmp_path / "page.py"
    page.write_text("\n".join(blocks(ROOT / "docs" / name, "python")), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, page.name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "AttentionMonitorWarning" not in done.stderr
    if name == "quick_start.md":
        assert "('encoder',) (0, 16, 32, 48, 64, 80)" in done.stdout.replace("[", "(").replace(
            "]", ")"
        )
        assert "torch.Size([32, 4, 8, 8])" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_code_block_parses(page):
    for block in blocks(page, "python"):
        ast.parse(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_of_the_project(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_is_in_the_index():
    linked = set(LINK.findall((ROOT / "docs" / "README.md").read_text(encoding="utf-8")))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md", "acceptance.md"}
    assert pages <= linked
