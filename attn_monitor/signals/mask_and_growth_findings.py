"""What is said beside the steps, as findings: does the mask hold, do scores grow."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from attn_monitor.core.nouns import HeadId
from attn_monitor.core.remarks import NUMBERS, Reading, Remarks
from attn_monitor.signals import trust
from attn_monitor.signals.findings import GrowthFinding, Signal
from attn_monitor.signals.growth import LIMIT, RULE, Forecast, cause, forecast, lines, met

NUMBER = {name: at for at, name in enumerate(NUMBERS)}


def growth_findings(remarks: Remarks) -> tuple[GrowthFinding, ...]:
    """Return how the scores of each part grow."""
    parts = dict.fromkeys(part for reading in remarks.readings for part in reading.heads)
    found = (_finding(part, [r for r in remarks.readings if part in r.heads]) for part in parts)
    return tuple(finding for finding in found if finding is not None)


def _finding(part: str, readings: list[Reading]) -> GrowthFinding | None:
    last = readings[-1].heads[part].shape
    readings = [reading for reading in readings if reading.heads[part].shape == last]
    steps = np.array([reading.step for reading in readings], dtype=float)
    heads = np.stack([reading.heads[part] for reading in readings]).astype(float)
    scores = heads[:, NUMBER["score"]]
    if not np.isfinite(scores[-1]).any():
        return None
    fired, future, shown, why = None, None, _largest(scores[-1]), ""
    if len(steps) >= RULE.readings:
        found = lines(steps, scores)
        told = met(found)
        ends = np.flatnonzero(told.any(axis=(1, 2)))
        fired = int(steps[ends[0] + RULE.readings - 1]) if len(ends) else None
        if told[-1].any():
            shown = _first(told[-1], [forecast(found, at) for at in np.ndindex(told[-1].shape)])
        future = forecast(found, shown)
        query, key = (
            float(lines(steps, heads[:, NUMBER[name]]).slope[(-1, *shown)])
            for name in ("query", "key")
        )
        why = cause(query, key, float(found.slope[(-1, *shown)]))
    own = heads[(slice(None), slice(None), *shown)]
    score = float(own[-1, NUMBER["score"]])
    label = HeadId(part, *shown).label()
    finite = np.where(np.isfinite(scores), scores, -np.inf).max(axis=(1, 2))
    return GrowthFinding(
        part=part,
        head=label,
        limit=LIMIT,
        steps=steps,
        peak=np.where(np.isfinite(finite), finite, np.nan),
        score=own[:, NUMBER["score"]],
        entropy=own[:, NUMBER["entropy"]],
        query=own[:, NUMBER["query"]],
        key=own[:, NUMBER["key"]],
        forecast=future,
        fired=fired,
        factor=min(1.0, LIMIT / score) if score > 0 else 1.0,
        sentence=_sentence(label, score, future, why, now=float(steps[-1]), told=fired is not None),
    )


def _largest(scores: Float[np.ndarray, "layer head"]) -> tuple[int, int]:
    layer, head = np.unravel_index(int(np.nanargmax(scores)), scores.shape)
    return int(layer), int(head)


def _first(told: np.ndarray, futures: list[Forecast]) -> tuple[int, int]:
    """Return the head that passes the limit first, of those that growth is told of."""
    ahead = np.array([future.at for future in futures]).reshape(told.shape)
    layer, head = np.unravel_index(int(np.nanargmin(np.where(told, ahead, np.nan))), told.shape)
    return int(layer), int(head)


def _sentence(
    head: str, score: float, future: Forecast | None, why: str, *, now: float, told: bool
) -> str:
    size = f"{head} has the largest score, {score:.3g}"
    if future is None:
        return f"{size}; too few readings for a forecast."
    if score >= LIMIT:
        return (
            f"{size}, above {LIMIT:g} ({why}): {LIMIT / score:.2g} times its scores would hold it "
            f"at {LIMIT:g}."
        )
    share = 100 * future.rate
    pace = f"{share:{'+.2g' if abs(share) < 100 else '+.0f'}} % per 100 steps ({why})"  # noqa: PLR2004
    if not told or not math.isfinite(future.at):
        return f"{size}, {pace}: no growth that leads past {LIMIT:g} soon."
    late = f"{future.latest - now:.0f}" if math.isfinite(future.latest) else "never"
    return (
        f"{head}: score {score:.3g}, {pace}; at this pace it passes {LIMIT:g} in "
        f"about {future.at - now:.0f} steps "
        f"({max(future.earliest - now, 0):.0f} to {late})."
    )


def remark_signals(remarks: Remarks) -> tuple[Signal, ...]:
    """Return what is said beside the steps as signals: ``"leak"``, and ``"growth"`` per part."""
    found = [_growth(finding) for finding in growth_findings(remarks)]
    audit = remarks.audit
    if audit is None:
        return tuple(found)
    leak = Signal(
        name="mask",
        title="Does the mask hold?",
        unit="forbidden pairs that leak",
        kind="leak",
        panel="mask",
        curves=(),
        fired=0 if audit.holds is False else None,
        value=float(audit.leaks) if audit.pairs else math.nan,
        sentence=audit.sentence,
        trust=trust.MASK,
    )
    return (leak, *found)


def _growth(finding: GrowthFinding) -> Signal:
    return Signal(
        name=f"growth/{finding.part}",
        title=f"Growth on training batches, {finding.part}",
        unit="largest score before softmax",
        kind="growth",
        panel="growth",
        curves=(),
        threshold=finding.limit,
        fired=finding.fired,
        value=float(finding.peak[-1]),
        sentence=finding.sentence,
        trust=trust.GROWTH,
    )
