"""What of a run goes into a file: what was asked for, then what there is room for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest

from attn_monitor.core.arrays import evenly_spread
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.nouns import Probe, Tokens
from attn_monitor.store import Run

FEW_SENTENCES = 4
_MOST_LISTED = 12
_OPENS = range(4, 29)  # tokens of a sentence that the tab opens with, rather than with the first
_UNKNOWN = re.compile(r"[\[<]?unk[\]>]?", re.IGNORECASE)
_MOST_UNKNOWN = 0.1

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was asked for; ``None`` is all there is.

    Attributes:
        parts: Names of parts.
        probes: Indices of probes, as spans from a first to a last one.
        steps: Steps whose maps are wanted, as such spans.
        lenses: What is computed head by head: HeadLens, and piles over time.
        lens_steps: Steps of HeadLens, as such spans; ``None`` is the last one.
    """

    parts: tuple[str, ...] | None = None
    probes: tuple[Span, ...] | None = None
    steps: tuple[Span, ...] | None = None
    lenses: bool = True
    lens_steps: tuple[Span, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Bytes that one sentence takes in the file, at most.

    Attributes:
        once: Its metrics, over all steps.
        each_step: Its maps at one step.
    """

    once: int
    each_step: int


def named(what: str, wanted: Sequence[str] | None, there: Sequence[str]) -> tuple[str, ...]:
    """Return what is wanted, in the order of ``there``.

    Raises:
        ConfigurationError: A name is not there.
    """
    for name in wanted or ():
        if name not in there:
            raise _missing(f"{what} {name!r}", there)
    return tuple(name for name in there if wanted is None or name in wanted)


def numbered(what: str, wanted: Sequence[Span] | None, there: Sequence[int]) -> tuple[int, ...]:
    """Return which numbers lie in one of the spans, in the order of ``there``.

    Raises:
        ConfigurationError: A span has none of them.
    """
    for first, last in wanted or ():
        if not any(first <= number <= last for number in there):
            raise _missing(f"{what} {first}" + (f" to {last}" if last > first else ""), there)
    return tuple(
        number
        for number in there
        if wanted is None or any(first <= number <= last for first, last in wanted)
    )


def in_turn(probes: Sequence[Probe]) -> list[int]:
    """Return the probes' indices in the order they are given room: the splits take turns."""
    first = [probe.index for probe in probes if probe.split == "val"]
    others = [probe.index for probe in probes if probe.split != "val"]
    pairs = zip_longest(first, others)
    return [index for pair in pairs for index in pair if index is not None]


def opening(run: Run, probes: Sequence[Probe]) -> Probe:
    """Return the sentence that the tab opens with, as its ``firstProbe`` finds it."""
    first = probes[0]
    good = (probe for probe in probes if probe.split == first.split and _opens(run, probe))
    return first if _opens(run, first) else next(good, first)


def _opens(run: Run, probe: Probe) -> bool:
    kept = run.kept(probe.index)
    sides = [probe.source, *([probe.target] if probe.target else [])]
    return (kept is None or kept.form == "whole") and all(map(_reads_well, sides))


def _reads_well(tokens: Tokens) -> bool:
    unknown = sum(_UNKNOWN.fullmatch(text) is not None for text in tokens.text)
    return len(tokens) in _OPENS and unknown <= _MOST_UNKNOWN * len(tokens)


def fit(
    steps: Sequence[int],
    costs: Mapping[int, Cost],
    room: int,
    *,
    step_cost: int = 0,
    keep: Collection[int] = (),
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the (steps, probes) whose maps fit.

    First there are fewer sentences, down to four; then fewer steps, spread evenly; then fewer
    sentences still.

    Args:
        steps: The steps wanted, ascending.
        costs: What each sentence takes, in the order they are given room.
        room: Bytes there are.
        step_cost: What a step takes besides its sentences.
        keep: Steps to keep among fewer, besides the first and the last.

    Raises:
        ConfigurationError: Not even one sentence fits at one step.
    """
    every = [cost.once + len(steps) * cost.each_step for cost in costs.values()]
    fitting = sum(total + len(steps) * step_cost <= room for total in accumulate(every))
    if fitting >= min(FEW_SENTENCES, len(costs)):
        return tuple(steps), tuple(sorted(list(costs)[:fitting]))
    for few in range(min(FEW_SENTENCES, len(costs)), 0, -1):
        some = list(costs.values())[:few]
        left = room - sum(cost.once for cost in some)
        count = left // (step_cost + sum(cost.each_step for cost in some))
        if count >= min(2, len(steps)) or (few == 1 and count == 1):
            return spread(steps, count, keep), tuple(sorted(list(costs)[:few]))
    first = next(iter(costs.values()))
    lacking = first.once + first.each_step + step_cost - room
    raise ConfigurationError(
        f"the first sentence at one step needs {lacking / 1e6:.2f} MB more than there are; raise "
        "--max-mb, or choose fewer --parts or a shorter sentence with --probes"
    )


def spread(steps: Sequence[int], count: int, keep: Collection[int] = ()) -> tuple[int, ...]:
    """Return ``count`` steps: the last, the first, those to keep, and others evenly between."""
    if count >= len(steps):
        return tuple(steps)
    if count == 1:
        return (steps[-1],)
    found = [steps[place] for place in evenly_spread(len(steps), count)]
    for step in sorted(set(keep) & set(steps)):
        inner = [other for other in found[1:-1] if other not in keep]
        if step not in found and inner:
            found[found.index(min(inner, key=lambda other: abs(other - step)))] = step
    return tuple(sorted(found))


def _missing(what: str, there: Sequence[object]) -> ConfigurationError:
    known = ", ".join(map(str, there))
    if len(there) > _MOST_LISTED:
        known = f"{', '.join(map(str, there[:_MOST_LISTED]))} … {there[-1]}"
    return ConfigurationError(f"{what} is not in this recording; it has {known or 'none'}")
