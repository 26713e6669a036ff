"""Verdicts about what heads write: which sleep, and which could go."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attn_monitor.core.nouns import HeadId
from attn_monitor.signals.dormant import dormant_heads
from attn_monitor.store import Run
from attn_monitor.verdicts.verdict import Level, Verdict, link, number

MANY = 0.25  # of the heads: a run where so many sleep is worth a look
LISTED = 8


def dormant(run: Run) -> Iterator[Verdict]:
    """Say which heads write next to nothing, and since when."""
    if "writes_share" not in {spec.name for spec in run.metrics}:
        return
    for name in run.parts:
        part = run.part(name)
        shares = np.asarray(run.metric("writes_share", part=name), dtype=np.float64)
        counts = [layer.heads for layer in part.layers]
        found = dormant_heads(shares, run.steps, counts)
        asleep = [each for each in found or () if each.asleep]
        said = [
            f"{HeadId(name, each.layer, each.head).label()} since step {each.spells[-1][0]}"
            for each in asleep
        ]
        more = f" and {len(said) - LISTED} more" if len(said) > LISTED else ""
        if found is None:
            text = "unknown: no output projection was found"
        elif asleep:
            text = f"next to nothing is written by {', '.join(said[:LISTED])}{more}"
        else:
            text = "every head writes"
        level: Level = "look" if len(asleep) > MANY * sum(counts) else "clear"
        yield Verdict(
            name="dormant",
            level="unknown" if found is None else level,
            sentence=f"{name}, step {run.steps[-1]}: {text}",
            evidence={
                "part": name,
                "dormant": [
                    {
                        "layer": each.layer,
                        "head": each.head,
                        "writes": number(each.writes),
                        "spells": [list(spell) for spell in each.spells],
                    }
                    for each in found or ()
                ],
            },
            link=link(view="heads", part=name, metric="writes_share"),
        )


def importance(run: Run) -> Iterator[Verdict]:
    """Say how many heads could go, where that was measured."""
    measured = (run.importance(step) for step in reversed(run.steps))
    found = next((each for each in measured if each is not None), None)
    if found is None:
        return
    total, count = len(found.heads), found.can_go
    what = "loss" if found.loss is not None else "output"
    if count:
        text = f"{count} of {total} heads can go together: {what} {found.without[count]:+.3g}"
    else:
        effects = [f"{count}: {effect:+.3g}" for count, effect in found.without.items()]
        text = f"no heads can go unnoticed; {what} without the least of {total}: "
        text += ", ".join(effects[:LISTED])
    yield Verdict(
        name="importance",
        level="clear",
        sentence=f"step {found.step}: {text} (measured on the probes)",
        evidence={
            "step": found.step,
            "heads": total,
            "can_go": count,
            "unit": found.unit,
            "loss": None if found.loss is None else number(found.loss),
            "repeat": number(found.repeat),
        },
        link=link(view="heads", metric="importance"),
    )
