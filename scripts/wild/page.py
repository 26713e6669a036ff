"""Make the table of ``docs/wild.md`` of what ``run.py`` found: ``page.py FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from run import ROOT, Row, rows_of

PAGE = ROOT / "docs" / "wild.md"
BEGIN, END = "<!-- made by `make wild` -->", "<!-- end -->"
PROOFS = {"seen": "followed", "tried": "tried", "described": "described", "position": "positions"}


def table(rows: Iterable[Row]) -> str:
    """Return the table, and below it what was said and what was put back."""
    import torch

    rows = list(rows)
    lines = [
        f"PyTorch {torch.__version__}, on a CPU, {len(rows)} models.",
        "",
        "| Library | Model | Hashes | Recorded, layers x heads x queries x keys | Rows | Words "
        "| Off the library's own |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_row(row) for row in rows]
    remarks = [line for row in rows for line in _remarks(row)]
    return "\n".join([*lines, "", *remarks])


def _row(row: Row) -> str:
    if "failed" in row:
        return f"| {row['library']} | {row['model']} | did not end: {row['failed']} | | | | |"
    recorded = row["recorded"]
    parts = recorded.get("parts", [])
    off = [d for part in parts for d in part["off"] if d is not None]
    cells = [
        ", ".join(f"{name} {version}" for name, version in row["versions"].items()),
        row["model"],
        "equal" if not row["unequal"] else f"**not equal: {', '.join(row['unequal'])}**",
        "; ".join(
            f"{p['name']} {p['layers']} x {p['heads']} x {p['queries']} x {p['keys']}"
            for p in parts
        )
        or "nothing",
        _each(parts, "rows"),
        _each(parts, "words"),
        f"{max(off):.0e}" if off else "gives none",
    ]
    return f"| {' | '.join(cells)} |"


def _each(parts: list[Row], key: str) -> str:
    return ", ".join(dict.fromkeys(PROOFS[part[key]] for part in parts))


def _remarks(row: Row) -> Iterable[str]:
    name = f"{row['library']}, {row['model']}"
    if moved := row.get("recorded", {}).get("put_back"):
        yield f"- {name}: put back after each replay: {', '.join(f'`{m}`' for m in moved[:3])}."
    for said in row.get("said", ()):
        yield f"- {name}: said: {' '.join(said.split())}"


def main(place: str) -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = sorted(rows_of(Path(place)).values(), key=lambda row: (row["library"], row["model"]))
    text = f"{before}{BEGIN}\n\n{table(rows)}\n\n{END}{after}"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
