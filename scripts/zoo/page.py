"""Make ``docs/zoo.md`` of the rows of a sweep: ``python scripts/zoo/page.py ROWS [ROWS…]``.

``--before ROWS`` names those of an earlier sweep: a type that has none since is listed by itself,
and counted nowhere.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "zoo.md"
WAYS = (
    *("eager", "eager left", "sdpa", "sdpa left", "flex", "generation", "train", "two images"),
    "bfloat16",
)
_ROUNDING = 1e-3  # of the largest number of an answer
Row = dict[str, Any]

INTRODUCTION = """\
# Every model type of transformers through `capture`

Made by `make zoo` ({versions}): every type of
`CONFIG_MAPPING`, built small by rule with random weights, fed with words, images, sound or series
as its signature asks, and run three times: as it is, captured, and under an oracle that shares no
code with the capture. The oracle watches the model's own softmax, `scaled_dot_product_attention`
and `flex_attention` calls where Python makes them, and computes their weights in float64;
`output_attentions` is not used, since in some thirty types it holds something else.

- **exact**: every attention the oracle saw was captured, within 2e-5 of it (bfloat16: 0.04; half
  an epsilon of float32 times the largest score, where that is more), and the model's output is
  bit-identical; in **train**, the gradients of all parameters are, too.
- **pieces**: exact, too: every row that the oracle saw is a row of the map shown, within the same
  bounds. The model computes windows, chunks or images of one layer one by one, and the capture
  shows them as one map in true positions; so rows are compared, and not whole maps.
- **shaped**: the weights that multiply the values were made without a softmax. They are shown as
  the model multiplied them; the oracle, which watches softmaxes, has nothing to hold them against.
- **none**: nothing in the model weighs keys, and the capture says so.
- **split**: the weights are right, and one call of a module shows several records.
- **kind**: the weights are right, but self-attention is called cross.
- **named**: the model weighs keys in a way that the capture does not show; it names the module and
  says why.

Columns: padding on the right unless *left*; *generation* is a prefill and steps of one token with a
cache; *train* a step with dropout and gradients; *two images* are of unlike size, packed patch by
patch or one of them padded under a mask. A dash: the type has no such implementation, or takes no
such input; *not tried*: not in this sweep (`ZOO_WAYS` chooses the ways).
"""


def main(arguments: Iterable[str]) -> None:
    """Write the page."""
    files = list(arguments)
    end = files.index("--before") if "--before" in files else len(files)
    PAGE.write_text(page(rows_of(files[:end]), rows_of(files[end + 1 :])), encoding="utf-8")


def rows_of(files: Iterable[str]) -> dict[str, Row]:
    """Return the rows by type; a later way of a type replaces an earlier one."""
    rows: dict[str, Row] = {}
    for file in files:
        for line in Path(file).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            known = rows.setdefault(row["name"], row)
            if known is not row and row.get("variants"):
                row["variants"] = {**known.get("variants", {}), **row["variants"]}
                rows[row["name"]] = row
    return rows


def page(rows: dict[str, Row], before: dict[str, Row]) -> str:
    """Return the page."""
    import torch
    import transformers

    versions = f"transformers {transformers.__version__}, PyTorch {torch.__version__}, CPU"
    groups: dict[str, list[str]] = defaultdict(list)
    for name, row in sorted(rows.items()):
        groups[verdict(row)].append(name)
    counts = Counter({kind: len(names) for kind, names in groups.items()})
    ran = sum(count for kind, count in counts.items() if kind != "not built")
    lines = [INTRODUCTION.format(versions=versions), "## In short\n"]
    lines += [f"Rows by the commit they were made with: {code_of(rows.values())}.\n"]
    lines += [*_untouched(rows.values()), ""]
    lines += [f"{len(rows)} types; {ran} could be built and fed. Worst verdict of each:\n"]
    lines += [
        "| verdict | types | of those that ran |",
        "| --- | --- | --- |",
        *(
            f"| {kind} | {counts[kind]} | {counts[kind] / ran:.1%} |"
            for kind in (*ORDER, *sorted(set(counts) - {*ORDER, "not built"}))
            if counts[kind]
        ),
        f"| not built | {counts['not built']} | |",
        "",
    ]
    exact = counts["exact"] + counts["pieces"]
    held = exact + counts["none"]
    lines += [
        f"Exact: {exact} of {ran} ({counts['exact']} at once, {counts['pieces']} in pieces). "
        f"Exact, or without weights and said so: {held} of {ran}, {held / ran:.1%}.\n"
    ]
    per_way = Counter(
        (way, shown(result))
        for row in rows.values()
        for way, result in row.get("variants", {}).items()
        if result["verdict"] not in {"does not run", "not built"}
    )
    kinds = [k for k in (*ORDER, *FAULTS) if any(per_way[way, k] for way in WAYS)]
    lines += ["| way | " + " | ".join(kinds) + " |", "| --- |" + " --- |" * len(kinds)]
    lines += [
        f"| {way} | " + " | ".join(str(per_way[way, kind] or "") for kind in kinds) + " |"
        for way in WAYS
        if any(per_way[way, kind] for kind in kinds)
    ]
    lines += ["", "## What is not exact\n", "| type | way | what |", "| --- | --- | --- |"]
    lines += list(_faults(rows))
    lines += _causes(rows)
    lines += list(_unlike(rows))
    lines += [
        "",
        "## Types\n",
        f"| type | class | parts | {' | '.join(WAYS)} |",
        "| --- | --- | --- |" + " --- |" * len(WAYS),
    ]
    for name, row in sorted(rows.items()):
        if row.get("variants"):
            known = row["variants"]
            cells = [shown(known[way]) if way in known else "not tried" for way in WAYS]
            lines.append(f"| {name} | {row['class']} | {parts_of(row)} | {' | '.join(cells)} |")
    lines += [
        "",
        "## Not built\n",
        "Made small by rule, these did not run; the rules are in "
        "`scripts/zoo/shrink.py` and `feed.py`.\n",
        "| type | what it said |",
        "| --- | --- |",
    ]
    for name in groups["not built"]:
        lines.append(f"| {name} | {cell(_why(rows[name]), 160)} |")
    lines += _not_again(before.keys() - rows.keys(), before)
    return "\n".join(lines) + "\n"


def _untouched(rows: Iterable[Row]) -> Iterable[str]:
    """Yield a sentence that says in how many runs the capture changed nothing."""
    runs: Counter[str] = Counter()
    for row in rows:
        for way, result in row.get("variants", {}).items():
            if result["verdict"] in {"does not run", "not built"}:
                continue
            faults = result.get("faults", [])
            runs["all"] += 1
            runs["train"] += way == "train"
            runs["by chance"] += any(fault.startswith("chance") for fault in faults)
            runs["changed"] += any(fault.startswith("changed") for fault in faults)
    yield (
        "Every run is held, bit by bit, against one without the capture; a training step with the "
        f"gradients of all parameters: {runs['changed']} of {runs['all']} runs differ, "
        f"{runs['train']} of which are training steps."
    )
    if runs["by chance"]:
        yield f"{runs['by chance']} runs answer otherwise by themselves when they are run again."


def code_of(rows: Iterable[Row]) -> str:
    """Return a sentence that says with which commits' code rows were made."""
    counts = Counter(row.get("code", "") for row in rows)
    said = [f"`{code}` ({count})" for code, count in counts.items() if code]
    if counts[""]:
        said.append(f"code and oracle of before rows named it ({counts['']})")
    return ", ".join(said)


ORDER = ("exact", "pieces", "shaped", "none", "named")
_STREAMS = (
    "a softmax mixes the streams beside each other at one word (hyper-connections), and no words"
)
_WHOLE = "nothing: no weight of a word on a word is missing."
_STATES = (
    "its linear layers are state spaces, without weights over keys: the oracle takes their decays "
    "for some, and the capture names the layers. Its attention is exact."
)
_LISTED = "nothing: linear layers are listed as layers without maps."
# Of each type: why it is not exact, and what to do about it.
CAUSES = {
    "bamba": (_STATES, _LISTED),
    "convbert": (
        "a dynamic convolution stands beside its attention: a softmax over a few neighbours, made "
        "of one word, and no keys. The attention beside it is exact.",
        "read the maps as those of the heads that attend; the convolution of each layer reaches "
        "`conv_kernel_size` words.",
    ),
    "deepseek_v4": (f"{_STREAMS}. Its attention is captured.", _WHOLE),
    "falcon_h1": (
        "each layer has a state space beside its attention, without weights over keys. The "
        "attention is exact.",
        "do not read a map as all that a layer moves between words: the state space moves more.",
    ),
    "glm5_next": (
        f"{_STREAMS}; its linear layers have no weights. Its attention is captured.",
        _LISTED,
    ),
    "glm5_next_text": (
        f"{_STREAMS}; its linear layers have no weights. Its attention is captured.",
        _LISTED,
    ),
    "granitemoehybrid": (_STATES, _LISTED),
    "mgp-str": (
        "each letter has a learned score per patch, a convolution and a softmax, and no query: "
        "those three modules are named. The encoder's attention is exact.",
        "ask the model for `output_a3_attentions=True`: it returns the patches of each letter.",
    ),
    "slanet": (
        "a decoder step of additive attention: one query, and no product with keys.",
        "hook `structure_attention_cell`: the second thing it returns are the weights.",
    ),
    "slanext": (
        "a decoder step of additive attention: one query, and no product with keys.",
        "hook `structure_attention_cell`: the second thing it returns are the weights.",
    ),
    "xlnet": (
        "not pieces: the two streams of a layer ask one after the other. Both are exact.",
        "take a call's first record for the words, and its second for the guesses.",
    ),
    "yoso": (
        "no softmax: (1 - arccos(q · k) / π)^8 weighs the values; they are shown as the model "
        "multiplied them, and the oracle has nothing to hold them against.",
        "read them as sizes: their rows do not add up to 1.",
    ),
}
_UNKNOWN = ("the cause is not known.", "report it.")
FAULTS = ("half", "kind", "split", "silent", "unproven", "wrong", "changed", "error")


def shown(result: Row) -> str:
    """Return one word for one way of a type."""
    kind = str(result["verdict"])
    if kind in {"does not run", "not built"}:
        return "-"
    if kind == "exact" and result.get("unlike"):
        return "pieces"
    return {"missing": "named", "chance": "exact", "extra": "shaped"}.get(kind, kind)


def verdict(row: Row) -> str:
    """Return the worst of a type's ways."""
    kinds = [shown(result) for result in row.get("variants", {}).values()]
    for kind in (*reversed(FAULTS), *reversed(ORDER)):
        if kind in kinds:
            return kind
    return "not built"


def _not_again(names: Iterable[str], before: dict[str, Row]) -> Iterable[str]:
    said: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        said[verdict(before[name])].append(name)
    if said:
        yield "\n## Not run again\n\nIn no figure above; what an earlier sweep said of them.\n"
        yield "| type | verdict | what it said |"
        yield "| --- | --- | --- |"
    for kind, every in said.items():
        for name in every:
            yield f"| {name} | {kind} | {cell(_why(before[name]), 160)} |"


def _why(row: Row) -> str:
    """Return what a type said when it could not be built or fed, that of the first trial."""
    why = row.get("why", "")
    said = why[0] if isinstance(why, list) and why else "" if why == [] else str(why)
    return said or "no class of transformers takes this configuration by itself"


def _causes(rows: dict[str, Row]) -> Iterable[str]:
    wanted = {"shaped", "named", *FAULTS}
    left = [name for name, row in sorted(rows.items()) if verdict(row) in wanted]
    if left:
        yield "\nWhy, for each type that is neither exact, in pieces nor without weights:\n"
        yield "| type | verdict | cause | what to do |"
        yield "| --- | --- | --- | --- |"
    for name in left:
        yield f"| {name} | {verdict(rows[name])} | {' | '.join(CAUSES.get(name, _UNKNOWN))} |"


def _faults(rows: dict[str, Row]) -> Iterable[str]:
    for name, row in sorted(rows.items()):
        said: dict[str, list[str]] = defaultdict(list)
        for way, result in row.get("variants", {}).items():
            if shown(result) in {"exact", "pieces", "shaped", "none", "-"}:
                continue
            named = shown(result) == "named"
            what = result.get("gaps" if named else "faults", [])
            said[f"{shown(result)}: {cell('; '.join(what[:2]), 260)}"].append(way)
        for what, ways in said.items():
            yield f"| {name} | {', '.join(ways)} | {what} |"


def _unlike(rows: dict[str, Row]) -> Iterable[str]:
    """Yield the section that says which implementations of a type are two models."""
    apart: dict[str, dict[str, float]] = defaultdict(dict)
    measured = 0
    for name, row in sorted(rows.items()):
        for way, result in row.get("variants", {}).items():
            measured += result.get("apart") is not None
            if (result.get("apart") or 0.0) > _ROUNDING:
                apart[name][way] = result["apart"]
    yield "\n## Where implementations of one type differ\n"
    yield (
        "The same weights and the same words: how far the answer is from that of eager at most, at "
        "words that are no padding, in parts of the largest number. Rounding gives less than 1e-5; "
        f"listed is what is above {_ROUNDING:g}, of {measured} comparisons. The capture shows what "
        "that very call computed: two runs of such a type are comparable only under one "
        "implementation. A name behind a question mark is a switch of the configuration that was "
        "turned round.\n"
    )
    yield "| type | " + " | ".join(_FUSED) + " |"
    yield "| --- |" + " --- |" * len(_FUSED)
    for name, ways in apart.items():
        yield f"| {name} | " + " | ".join(_share(ways.get(way)) for way in _FUSED) + " |"


_FUSED = ("sdpa", "sdpa left", "flex", "flex left")


def _share(apart: float | None) -> str:
    if apart is None:
        return ""
    return "not a number" if apart == float("inf") else f"{apart:.2g}"


def parts_of(row: Row) -> str:
    """Return the parts of the first run that has any, with the number of their layers."""
    for result in row["variants"].values():
        if result.get("parts"):
            return ", ".join(f"{name} ({count})" for name, count in result["parts"].items())
    return "none"


def cell(text: str, most: int) -> str:
    """Return a text that fits a cell of a table."""
    line = " ".join(text.split()).replace("|", "/")
    return line if len(line) <= most else line[: most - 1] + "…"


if __name__ == "__main__":
    main(sys.argv[1:])
