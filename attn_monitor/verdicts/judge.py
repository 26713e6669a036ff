"""All verdicts about a run, and what differs between two."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from attn_monitor.core.arrays import mean_of_defined
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.nouns import HeadId
from attn_monitor.signals import assess, remark_signals
from attn_monitor.signals.losses import best_step, watched
from attn_monitor.store import Run
from attn_monitor.verdicts import heads, mask, writing
from attn_monitor.verdicts.verdict import Evidence, Verdict, link, number

MOST_MOVED = 3


def judge(run: Run) -> tuple[Verdict, ...]:
    """Return every verdict about a recording, what is wrong first.

    Raises:
        ConfigurationError: Nothing is recorded yet.
    """
    if not run.steps:
        raise ConfigurationError("no step is recorded yet, so there is nothing to judge")
    every = (
        *_numbers(run),
        *_signals(run),
        *mask.audit(run),
        *heads.mask(run),
        *heads.scale(run),
        *heads.padding(run),
        *heads.redundant(run),
        *writing.dormant(run),
        *writing.importance(run),
        *heads.positions(run),
        *_evidence(run),
        *_changed(run),
    )
    order = ("found", "look", "unknown", "clear")
    return tuple(sorted(every, key=lambda verdict: order.index(verdict.level)))


def compared(a: Run, b: Run) -> list[str]:
    """Return what two runs differ in, one line each: verdicts, then heads at the last steps."""
    levels = [{(v.name, v.evidence.get("part")): v for v in judge(run)} for run in (a, b)]
    lines = [
        f"{name}{f' ({part})' if part else ''}: A {_level(levels[0], key)}, "
        f"B {_level(levels[1], key)}"
        for key in {**levels[0], **levels[1]}
        for name, part in (key,)
        if _level(levels[0], key) != _level(levels[1], key)
    ]
    for part in (name for name in a.parts if name in b.parts):
        for spec in a.metrics:
            if spec.name in {other.name for other in b.metrics}:
                ours, theirs = (run.metric(spec.name, part=part)[-1] for run in (a, b))
                means = [number(mean_of_defined(x, axes=(0, 1))) for x in (ours, theirs)]
                if None not in means and means[0] != means[1]:
                    lines.append(f"{part} {spec.name}: A {means[0]}, B {means[1]}")
    return lines


def _level(verdicts: dict[tuple[str, Evidence], Verdict], key: tuple[str, Evidence]) -> str:
    return verdicts[key].level if key in verdicts else "not there"


def _numbers(run: Run) -> Iterator[Verdict]:
    bad = []
    for step in run.steps:
        bad += [f"{name} at step {step}" for name, x in run.scalars(step).items() if math.isnan(x)]
    for part in run.parts:
        entropy = run.metric("row_entropy", part=part) if _has(run, "row_entropy") else None
        if entropy is not None:
            empty = ~np.isfinite(entropy).any(axis=(1, 2))
            bad += [f"{part} at step {run.steps[at]}" for at in np.flatnonzero(empty)]
    yield Verdict(
        name="nan",
        level="found" if bad else "clear",
        sentence=f"not a number: {', '.join(bad[:6])}"
        if bad
        else "every loss and every layer has numbers",
        evidence={"where": list(bad[:50])},
        link=link(view="network"),
    )
    yield Verdict(
        name="recording",
        level="found" if run.problems else "clear",
        sentence="; ".join(run.problems) or f"{len(run.steps)} steps, whole",
        evidence={"steps": len(run.steps), "problems": list(run.problems)},
        link=link(view="network"),
    )


def _signals(run: Run) -> Iterator[Verdict]:
    found = assess(run)
    level = {"fired": "found", "quiet": "clear"}.get(found.state, "unknown")
    flags = [s for s in found.signals if s.kind == "flag"]
    yield Verdict(
        name="overfitting",
        level=level,  # type: ignore[arg-type]  # one of the three above
        sentence=f"{found.headline} {found.losses.sentence}",
        evidence={
            "state": found.state,
            "best_step": found.losses.best_step,
            "rise_step": found.losses.rise_step,
            "signals": [
                {
                    "name": s.name,
                    "fired": s.fired,
                    "value": number(s.value),
                    "p": number(s.p),
                    "sentence": s.sentence,
                }
                for s in flags
            ],
        },
        link=link(view="signals"),
    )
    alarms = [s for s in found.signals if s.kind == "alarm"]
    alarms += [s for s in remark_signals(run.remarks) if s.kind == "growth"]
    if alarms:
        fired = [s for s in alarms if s.fired is not None]
        yield Verdict(
            name="growth",
            level="found" if fired else "clear",
            sentence=" ".join(s.sentence for s in fired) or "neither entropy nor logits ran away",
            evidence={"fired": {s.name: s.fired for s in fired}},
            link=link(view="signals"),
        )


def _evidence(run: Run) -> Iterator[Verdict]:
    kinds: dict[str, int] = {}
    for name in run.parts:
        for layer in run.part(name).layers:
            kinds[layer.evidence] = kinds.get(layer.evidence, 0) + 1
    doubtful = kinds.get("unverified", 0)
    yield Verdict(
        name="weights",
        level="look" if doubtful else "clear",
        sentence=f"weights of {doubtful} layers were computed again and not checked"
        if doubtful
        else "all weights are the model's own, or computed again and checked with its output",
        evidence=dict(kinds),
        link=link(view="network"),
    )


def _changed(run: Run) -> Iterator[Verdict]:
    logged = [run.scalars(step) for step in run.steps]
    best, name = best_step(run.steps, logged, run.options)
    if best is None or best == run.steps[-1] or not _has(run, "row_entropy"):
        return
    at = run.steps.index(best)
    extreme = "highest" if watched(logged, run.options)[1] else "lowest"
    moved: list[tuple[float, str]] = []
    for part in run.parts:
        entropy = run.metric("row_entropy", part=part)
        change = entropy[-1] - entropy[at]
        for layer, head in np.argwhere(np.isfinite(change)).tolist():
            label = f"{part} {HeadId(part, layer, head).label()}"
            moved.append((float(change[layer, head]), label))
    moved.sort(key=lambda pair: -abs(pair[0]))
    most = moved[:MOST_MOVED]
    yield Verdict(
        name="since_best",
        level="clear",
        sentence=f"since step {best}, the {extreme} {name}, row entropy moved most in "
        + ", ".join(f"{label} ({change:+.2f})" for change, label in most),
        evidence={"best_step": best, "moved": {label: number(x) for x, label in most}},
        link=link(view="network", step=run.steps[-1], b=best, show="diff"),
    )


def _has(run: Run, metric: str) -> bool:
    return metric in {spec.name for spec in run.metrics}
