"""Joins what the ranks of one training recorded, and what was asked later, into one run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from jaxtyping import Float32

from attn_monitor.core.errors import NotRecordedError
from attn_monitor.core.nouns import Part, Probe
from attn_monitor.store.commits import Commit
from attn_monitor.store.rank import RankView
from attn_monitor.store.records import RunInfo

Absence = Literal["thinned", "damaged", "unwritten"]
ASKED_OF: Final = "asked_of"  # option that names the recording a sentence was added to


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A whole run at one moment; never changes.

    Attributes:
        ranks: The ranks that recorded it, the first one describes it.
        info: Its description, with the probes of all ranks in order of their index.
        steps: The steps that exist on any rank, ascending.
        version: Changes whenever anything here does.
        problems: What is wrong with the recording, one sentence each.
        owners: Probe index to (rank, position among that rank's probes).
        asked: Sentences added later, each like a rank of its own that has some of the steps.
    """

    ranks: tuple[RankView, ...]
    info: RunInfo
    steps: tuple[int, ...]
    version: str
    problems: tuple[str, ...]
    owners: Mapping[int, tuple[RankView, int]]
    asked: tuple[RankView, ...] = ()

    def part(self, name: str) -> Part:
        """Return a part by name, or raise ``NotRecordedError``."""
        for part in self.info.parts:
            if part.name == name:
                return part
        raise NotRecordedError(
            f"no part {name!r} in this run; it has {[part.name for part in self.info.parts]}"
        )

    def probe(self, index: int) -> Probe:
        """Return a probe by index, or raise ``NotRecordedError``."""
        if index not in self.owners:
            raise NotRecordedError(f"no probe {index} in this run; it has {len(self.owners)}")
        rank, position = self.owners[index]
        return rank.session.info.probes[position]

    def commit(self, step: int) -> Commit:
        """Return the commit of a step on the first rank that has it."""
        for rank in self.ranks:
            if step in rank.commits:
                return rank.commits[step]
        near = min(self.steps, key=lambda known: abs(known - step), default=None)
        raise NotRecordedError(f"step {step} is not recorded; the nearest that is: {near}")

    def has_maps(self, step: int) -> bool:
        """Return whether maps of a step are there, on any rank."""
        ranks = self.ranks
        return any(step in rank.readable and rank.commits[step].has_maps for rank in ranks)

    def why_no_maps(self, step: int) -> Absence | None:
        """Return why a step has no maps: thinned, damaged, or never written; ``None`` if it has."""
        if self.has_maps(step):
            return None
        ranks = [rank for rank in self.ranks if step in rank.commits]
        if any(rank.commits[step].thinned for rank in ranks):
            return "thinned"
        return "damaged" if any(step not in rank.readable for rank in ranks) else "unwritten"

    def has_vectors(self, step: int) -> bool:
        """Return whether queries and keys of a step are there, on any rank."""
        return any(
            step in rank.readable and any(rank.commits[step].vectors.values())
            for rank in self.ranks
        )

    def uniform(self, part: str) -> Float32[np.ndarray, "layer metric"]:
        """Return each metric for a head that spreads its attention evenly; NaN if unknown."""
        known = self.part(part)
        baseline = self.info.uniform.get(part)
        if baseline is None:
            return np.full((len(known.layers), len(self.info.metrics)), np.nan, dtype=np.float32)
        return baseline.astype(np.float32)

    def writing(self, step: int) -> str:
        """Return what identifies the arrays of a step for good, on whichever ranks they are."""
        self.commit(step)
        return _digest(
            [
                f"{step}:{rank.name}:{rank.session.id}:{rank.description}:{rank.commits[step].attempt}"
                for rank in (*self.ranks, *self.asked)
                if step in rank.commits
            ]
        )


def join(
    ranks: Sequence[RankView],
    *,
    asked: Sequence[RankView] = (),
    problems: Sequence[str] = (),
) -> RunView:
    """Return the union of what the ranks recorded.

    Probes are told apart by their index; where two ranks replayed the same one, the lower rank's
    is shown. A rank that watched other layers or metrics than the first cannot be joined and is
    named among the problems.

    Args:
        ranks: At least one, in order of rank.
        asked: Sentences that were added later.
        problems: What is wrong with ranks that could not be read at all.
    """
    first = ranks[0].session.info
    joined = [rank for rank in ranks if _same_axes(rank.session.info, first)]
    found = [*problems, *(f"{rank.name}: {text}" for rank in ranks for text in rank.problems)]
    found += [
        f"{rank.name} is left out: it has other parts or metrics than {ranks[0].name}"
        for rank in ranks
        if rank not in joined
    ]
    added, wrong = _fitting(asked, joined)
    found += wrong
    owners: dict[int, tuple[RankView, int]] = {}
    for rank in (*joined, *added):
        for position, probe in enumerate(rank.session.info.probes):
            owners.setdefault(probe.index, (rank, position))
    probes = [owners[index][0].session.info.probes[owners[index][1]] for index in sorted(owners)]
    kept = {
        stated.probe: stated
        for rank in (*joined, *added)
        for stated in rank.session.info.kept
        if owners[stated.probe][0] is rank
    }
    return RunView(
        ranks=tuple(joined),
        info=RunInfo(
            parts=first.parts,
            probes=tuple(probes),
            metrics=first.metrics,
            uniform=first.uniform,
            options=first.options,
            outputs=first.outputs,
            classes=first.classes,
            kept=tuple(kept[index] for index in sorted(kept)),
        ),
        steps=tuple(sorted({step for rank in joined for step in rank.commits})),
        version=_digest([*(rank.version for rank in (*ranks, *asked)), *found]),
        problems=tuple(found),
        owners=owners,
        asked=tuple(added),
    )


def _fitting(
    asked: Sequence[RankView], ranks: Sequence[RankView]
) -> tuple[list[RankView], list[str]]:
    """Return what was asked of this very recording, at steps that are as they were then.

    A training that is started over, or resumed from an earlier step, drops what it recorded, and
    so what was asked of it. And what is wrong, one sentence each.
    """
    known: dict[int, Commit] = {}
    for rank in ranks:
        known = {**rank.commits, **known}
    first = ranks[0].session
    fitting: list[RankView] = []
    problems: list[str] = []
    for view in asked:
        if view.session.info.options.get(ASKED_OF) != first.id:
            continue
        problems += [f"{view.name}: {text}" for text in view.problems]
        if not _same_axes(view.session.info, first.info):
            problems.append(f"{view.name} is left out: it has other parts or metrics than the run")
            continue
        if any(probe.split != "asked" for probe in view.session.info.probes):
            problems.append(f"{view.name} is left out: it holds other sentences than asked ones")
            continue
        kept = {
            step: commit
            for step, commit in view.commits.items()
            if step in known and known[step].time <= commit.time
        }
        if kept:
            fitting.append(replace(view, commits=kept, readable=view.readable & kept.keys()))
    return fitting, problems


def _digest(texts: Sequence[str]) -> str:
    joined = "\0".join(texts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:16]


def _same_axes(one: RunInfo, other: RunInfo) -> bool:
    def axes(info: RunInfo) -> tuple[object, ...]:
        layers = tuple((p.name, p.kind, tuple(la.heads for la in p.layers)) for p in info.parts)
        return layers, tuple(metric.name for metric in info.metrics)

    return axes(one) == axes(other)
