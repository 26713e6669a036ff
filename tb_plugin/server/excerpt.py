"""What a page has of a recording: all of it, or what an offline file has room for."""

from __future__ import annotations

from dataclasses import dataclass

from attn_monitor.store import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What can be asked for. Metrics are there at every recorded step in any case.

    Attributes:
        parts: Names of parts, in the recording's order.
        probes: Indices of probes, ascending.
        maps: Steps whose maps are there.
        vectors: Steps at which HeadLens has something to show.
        means: Indices of means over sentences; ``None`` for all there are.
        notes: What a reader should know about what is missing, in whole sentences.
    """

    parts: tuple[str, ...]
    probes: tuple[int, ...]
    maps: frozenset[int]
    vectors: frozenset[int]
    means: frozenset[int] | None = None
    notes: tuple[str, ...] = ()


def everything(run: Run) -> Excerpt:
    """Return all that a recording holds now."""
    return Excerpt(
        parts=run.parts,
        probes=tuple(probe.index for probe in run.probes if probe.measured),
        maps=frozenset(step for step in run.steps if run.has_maps(step)),
        vectors=frozenset(step for step in run.steps if run.has_vectors(step)),
    )
