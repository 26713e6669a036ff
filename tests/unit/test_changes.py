"""Fragments of the changelog are well named, and fold into it without losing a word."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from fold_changes import folded, fragments, released  # noqa: E402

BEFORE = """# Changelog

## [Unreleased]

### Added

- Old.

## [0.1.0] - 2026-01-01

### Added

- Older.
"""
AFTER = """# Changelog

## [Unreleased]

## [0.2.0] - 2027-02-03

### Added

- New.
- Two
  lines.
- Old.

### Fixed

- Mended.

## [0.1.0] - 2026-01-01

### Added

- Older.
"""


def test_every_fragment_of_ours_is_well_named():
    fragments(ROOT / "changes")


def test_fragments_come_first_under_their_kind(tmp_path):
    (tmp_path / "a.added.md").write_text("- New.\n")
    (tmp_path / "b.added.md").write_text("Two\nlines.\n")
    (tmp_path / "c.fixed.md").write_text("Mended.\n")
    text = released(folded(BEFORE, fragments(tmp_path)), "0.2.0", "2027-02-03")
    assert text == AFTER


@pytest.mark.parametrize(("name", "text"), [("a.md", "x"), ("a.news.md", "x"), ("a.fixed.md", " ")])
def test_a_fragment_that_would_be_lost_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=r"must be named|is empty"):
        fragments(tmp_path)
