"""What the documentation shows can be run as it stands, and its links lead somewhere."""

import ast
import doctest
import importlib
import re
import sys
from pathlib import Path

import pytest

from tests.programs import run_program

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
COMPLETE = ["quick_start.md", "adding_a_metric.md"]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", COMPLETE)
def test_the_code_of_a_page_runs_from_top_to_bottom(name, tmp_path):
    page = tmp_path / "page.py"
    page.write_text("\n".join(blocks(ROOT / "docs" / name, "python")), encoding="utf-8")
    done = run_program(file=page, cwd=tmp_path, environment={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "AttentionMonitorWarning" not in done.stderr
    if name == "quick_start.md":
        assert "('encoder',) (0, 16, 32, 48, 64, 80)" in done.stdout.replace("[", "(").replace(
            "]", ")"
        )
        assert "torch.Size([32, 4, 8, 8])" in done.stdout
        assert "('[CLS]', 'bad', 'crew', 'good', 'bag')" in done.stdout


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


def test_the_site_has_every_public_name_and_no_link_that_leads_nowhere(tmp_path):
    """What `make docs` does: pages and docstrings as HTML, links and anchors followed."""
    done = run_program(str(tmp_path / "site"), file=ROOT / "scripts" / "make_docs.py")
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    text = (tmp_path / "site" / "api" / "attn_monitor.html").read_text()
    assert 'id="AttentionMonitor"' in text
    assert "lens_sentences" in text
    assert (tmp_path / "site" / "docs" / "glossary.html").is_file()


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    sys.path.insert(0, str(ROOT / "scripts"))
    from make_docs import broken_links

    (tmp_path / "a.html").write_text('<a href="b.html#x">1</a><a href="c.html">2</a>')
    (tmp_path / "b.html").write_text('<p id="y"><a href="a.html">3</a><img src="d.png">')
    assert broken_links(tmp_path) == ["a.html: b.html#x", "a.html: c.html", "b.html: d.png"]


def test_the_page_of_public_names_is_complete():
    text = (ROOT / "docs" / "public.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \| ((?:`\w+` ?)+) \|", text, re.MULTILINE)
    assert len(rows) > 10
    for module, names in rows:
        found = importlib.import_module(module)
        assert [n for n in re.findall(r"`(\w+)`", names) if not hasattr(found, n)] == [], module
        if hasattr(found, "__all__") and module != "attn_monitor.store":
            assert set(re.findall(r"`(\w+)`", names)) == set(found.__all__), module


WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "attn_monitor").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_every_example_of_a_docstring_gives_what_it_shows(module):
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0
    assert found.failed == 0


ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_every_invariant_names_a_test_that_exists():
    table = ARCHITECTURE.partition("## Invariants")[2].partition("## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][2:]
    assert len(rows) > 15
    for row in rows:
        tests = re.findall(r"\[`(\w+)`\]\(([\w./]+)\)", row)
        assert tests, row
        for name, file in tests:
            assert f"def test_{name}(" in (ROOT / file).read_text(encoding="utf-8"), row


def test_no_sentence_of_the_architecture_is_longer_than_30_words():
    prose = re.sub(r"```.*?```", "", ARCHITECTURE, flags=re.DOTALL)
    lines = [line for line in prose.splitlines() if not line.startswith(("|", "#", "<!--"))]
    for paragraph in "\n".join(lines).split("\n\n"):
        for sentence in re.split(r"(?<=[.:;?!])\s", paragraph.replace("\n", " ")):
            assert len(sentence.split()) <= 30, sentence
