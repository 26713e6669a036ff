"""Fold the fragments of ``changes/`` into CHANGELOG.md.

``python scripts/fold_changes.py --show`` prints what the next release will say;
``python scripts/fold_changes.py 0.2.0 2027-01-31`` writes it and removes the fragments.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("added", "changed", "fixed", "removed")
UNRELEASED = "## [Unreleased]\n"


def fragments(folder: Path) -> dict[str, list[str]]:
    """Return the entries of each kind, one bullet each, in the order of the files' names.

    Raises:
        ValueError: A file whose name does not end in ``.<kind>.md``, or that says nothing.
    """
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for path in sorted(folder.glob("*")):
        kind = path.name.split(".")[-2] if path.name.count(".") > 1 else ""
        if path.suffix != ".md" or kind not in KINDS:
            raise ValueError(f"{path.name} must be named <slug>.<{' or '.join(KINDS)}>.md")
        text = path.read_text(encoding="utf-8").strip()
        if not text:
            raise ValueError(f"{path.name} is empty; say what the user gets")
        bullet = text if text.startswith("- ") else "- " + text.replace("\n", "\n  ")
        found[kind].append(bullet)
    return found


def folded(changelog: str, found: dict[str, list[str]]) -> str:
    """Return the changelog with the fragments at the head of each kind's list, unreleased."""
    head, _, rest = changelog.partition(UNRELEASED)
    unreleased, mark, older = rest.partition("\n## [")
    _, *parts = re.split(r"^### (\w+)\n", unreleased, flags=re.MULTILINE)
    lists = dict(zip(parts[::2], (text.strip() for text in parts[1::2]), strict=True))
    for kind in KINDS:
        title = kind.capitalize()
        lists[title] = "\n".join([*found[kind], lists.pop(title, "")]).strip()
    written = "".join(f"\n### {title}\n\n{text}\n" for title, text in lists.items() if text)
    return f"{head}{UNRELEASED}{written}{mark}{older}"


def released(changelog: str, version: str, date: str) -> str:
    """Return the changelog with what was unreleased under a version and a date."""
    return changelog.replace(UNRELEASED, f"{UNRELEASED}\n## [{version}] - {date}\n", 1)


def fold(version: str, date: str) -> None:
    """Write the changelog of a release and remove the fragments."""
    page = ROOT / "CHANGELOG.md"
    text = folded(page.read_text(encoding="utf-8"), fragments(ROOT / "changes"))
    page.write_text(released(text, version, date), encoding="utf-8")
    for path in (ROOT / "changes").glob("*.md"):
        path.unlink()


if __name__ == "__main__":
    if sys.argv[1:] == ["--show"]:
        for name, bullets in fragments(ROOT / "changes").items():
            print(f"### {name.capitalize()}\n", *bullets, "", sep="\n")
    else:
        fold(*sys.argv[1:3])
