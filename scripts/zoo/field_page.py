"""Make ``docs/zoo_field.md`` of rows: ``python scripts/zoo/field_page.py ROWS [ROWS…]``."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from page import FAULTS, ORDER, cell, code_of, parts_of, shown, verdict

PAGE = Path(__file__).parents[2] / "docs" / "zoo_field.md"
WAYS = ("plain", "eager", "slices", "train", "bfloat16")
Row = dict[str, Any]

INTRODUCTION = """\
# Models of other libraries through `capture`

Made by `make zoo` ({versions}). Small models with random weights, run as they are, captured, and
under the oracle of [the page on transformers](zoo.md), which also explains the verdicts. Here the
oracle also holds the kinds (self or cross) against what the module's author calls them, heads
against queries, and, where pieces are shown as one map, its rows and columns against what the
linear layers around were given.

{shelves}

The sweep resumes: what has no row here was not tried. *shaped* also stands for maps of which the
oracle saw no softmax right before the product: talking heads mixed by a layer, say.
"""

SHELVES = {
    "timm": "of each file of its models that attends, the smallest model (of some, one per name), "
    "with two layers and images of 128 pixels where it takes them; *eager* with `fused_attn` off",
    "x_transformers": "options that change attention, each alone: in a decoder, with `flash`, or "
    "in an encoder with padding",
    "diffusers": "the configurations of its own tests; *eager* with `AttnProcessor`, *slices* with "
    '`set_attention_slice("max")`',
    "torchvision": "its Transformers",
    "torchaudio": "its Conformer and Emformer",
}


# Of entries by a part of their name: why they are not exact, and what to do about it.
CAUSES = {
    "timm cait": (
        "talking heads: a linear layer mixes the heads after the softmax; the mixed ones multiply "
        "the values, and are shown.",
        "read them as mixtures: rows need not add up to 1.",
    ),
    "timm coat": (
        "a softmax over the keys alone, which meet the values before any query does: linear "
        "attention; the module is named.",
        "nothing: no weight of a query on a key exists.",
    ),
    "timm efficientformerv2": (
        "talking heads, as in CaiT: a convolution mixes them after the softmax.",
        "read them as mixtures: rows need not add up to 1.",
    ),
    "timm efficientvim": (
        "a state space that mixes by a softmax of one projection: no query meets a key; named.",
        "nothing: no weight of a query on a key exists.",
    ),
    "timm efficientvit": (
        "the heads run one after the other in one call, each on what the one before wrote: a "
        "record each, all exact.",
        "read the records of a call as its heads, in their order.",
    ),
    "timm hieradet": (
        "the weights agree with the oracle; the proof by the layer's output missed its bound of "
        "1e-5 by rounding in one run of three, and called two layers unverified.",
        "read the maps as exact, or run it again.",
    ),
    "timm volo": (
        "outlook attention: a linear layer of one place gives its weights on its neighbours, and "
        "no key is asked; named. The attention of its later stages is exact.",
        "hook the module's `attn`: it returns the weights on the neighbours before their softmax.",
    ),
    "post_talking_heads": (
        "talking heads after the softmax: the mixed ones multiply the values, and are shown.",
        "read them as mixtures: rows need not add up to 1.",
    ),
    "attn_sigmoid": (
        "no softmax: a sigmoid of each score weighs the values, which is shown as it was.",
        "read them as sizes: rows do not add up to 1.",
    ),
    "integrate_layers": (
        "a softmax mixes the outputs of earlier layers, and no words; named. The attention is "
        "exact.",
        "nothing: no weight of a word on a word is missing.",
    ),
    "AnyFlowFAR": (
        "flex attention, called where the oracle does not see it; the capture holds the weights "
        "against the layer's output, and they are verified.",
        "nothing: the maps are whole.",
    ),
    "Cosmos3Omni": (
        "two attentions in one call, text that looks back and pictures that look at all: a record "
        "each, both exact.",
        "take a call's first record for the text, its second for the pictures.",
    ),
    "Emformer, steps": (
        "segments of sound one after the other, in one call of the module that feeds them: a "
        "record each, all exact.",
        "read the records in their order: one segment each.",
    ),
}
_UNKNOWN = ("the cause is not known.", "report it.")


def main(files: Iterable[str]) -> None:
    """Write the page."""
    rows: dict[str, Row] = {}
    for file in files:
        for line in Path(file).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows[row["name"]] = row
    PAGE.write_text(page(rows), encoding="utf-8")


def page(rows: dict[str, Row]) -> str:
    """Return the page."""
    shelves: dict[str, dict[str, Row]] = defaultdict(dict)
    for name, row in rows.items():
        shelf, _, entry = name.partition(":")
        shelves[shelf][entry] = row
    versions = ", ".join([*map(_version, shelves), f"PyTorch {torch.__version__}, CPU"])
    counts = {shelf: Counter(map(verdict, found.values())) for shelf, found in shelves.items()}
    kinds = [k for k in (*ORDER, *FAULTS, "not built") if any(c[k] for c in counts.values())]
    tried = [
        f"- **{shelf}** ({len(shelves[shelf])} entries): {what}."
        if shelf in shelves
        else f"- **{shelf}** ({what}): not tried for this page."
        for shelf, what in SHELVES.items()
    ]
    introduction = INTRODUCTION.format(versions=versions, shelves="\n".join(tried))
    lines = [introduction, "## In short\n"]
    lines += ["| library | entries | " + " | ".join(kinds) + " | code |"]
    lines += ["| --- | --- |" + " --- |" * (len(kinds) + 1)]
    lines += [
        f"| {shelf} | {len(shelves[shelf])} | {' | '.join(str(count[k] or '') for k in kinds)} "
        f"| {code_of(shelves[shelf].values())} |"
        for shelf, count in counts.items()
    ]
    lines += ["", "## What is not exact\n", "| entry | way | what |", "| --- | --- | --- |"]
    for name, row in rows.items():
        for way, result in row.get("variants", {}).items():
            if shown(result) not in {"exact", "pieces", "shaped", "none", "-"}:
                named = shown(result) == "named"
                said = result.get("gaps" if named else "faults") or result.get("faults") or [""]
                what = "; ".join(said[:2])
                lines.append(f"| {_short(name)} | {way} | {shown(result)}: {cell(what, 240)} |")
    lines += _causes(rows)
    lines += ["", "## Entries\n", f"| entry | class | parts | {' | '.join(WAYS)} |"]
    lines += ["| --- | --- | --- |" + " --- |" * len(WAYS)]
    for name, row in rows.items():
        if row.get("variants"):
            cells = [shown(row["variants"][way]) if way in row["variants"] else "-" for way in WAYS]
            parts = cell(parts_of(row), 160)
            lines.append(f"| {_short(name)} | {row['class']} | {parts} | {' | '.join(cells)} |")
    lines += ["", "## Not built\n", "| entry | what it said |", "| --- | --- |"]
    lines += [
        f"| {_short(name)} | {cell(str(row.get('why', '')), 160)} |"
        for name, row in rows.items()
        if not row.get("variants")
    ]
    return "\n".join(lines) + "\n"


def _causes(rows: dict[str, Row]) -> Iterable[str]:
    yield "\nWhy, for each entry that is neither exact, in pieces nor without weights:\n"
    yield "| entry | verdict | cause | what to do |"
    yield "| --- | --- | --- | --- |"
    for name, row in rows.items():
        if verdict(row) in {"shaped", "named", *FAULTS}:
            said = next((why for part, why in CAUSES.items() if part in _short(name)), _UNKNOWN)
            yield f"| {_short(name)} | {verdict(row)} | {' | '.join(said)} |"


def _version(shelf: str) -> str:
    try:
        return f"{shelf} {metadata.version(shelf.replace('_', '-'))}"
    except metadata.PackageNotFoundError:
        return shelf


def _short(name: str) -> str:
    shelf, _, entry = name.partition(":")
    return f"{shelf} {entry.rpartition('/')[2] if shelf in {'diffusers', 'timm'} else entry}"


if __name__ == "__main__":
    main(sys.argv[1:])
