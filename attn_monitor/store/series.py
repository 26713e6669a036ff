"""Metrics over all steps of a run, of one probe or averaged over a split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32, Float64

from attn_monitor.core.arrays import mean_of_sums, sum_of_defined
from attn_monitor.core.errors import NotRecordedError
from attn_monitor.core.importance import IMPORTANCE, HeadImportance, importance_at
from attn_monitor.core.nouns import Part, Split
from attn_monitor.store.lru import ByteLru
from attn_monitor.store.rank import RankView
from attn_monitor.store.union import RunView

MOST_VALUES = 24_000_000  # of one answer: about 300 MB while it is made and sent
_SMALL = 2**18
_STEPS_AT_ONCE = 64  # a large model's metrics are a megabyte per step
_SUMS = ByteLru[tuple[str, ...], np.ndarray](32 * 2**20)


def metrics_at(view: RunView, names: Sequence[str]) -> list[int]:
    """Return where metrics stand on the metric axis.

    Raises:
        NotRecordedError: No such metric in this recording.
    """
    known = [metric.name for metric in view.info.metrics]
    for name in names:
        if name not in known:
            raise NotRecordedError(f"no metric {name!r} in this run; it has {known}")
    return [known.index(name) for name in names]


def probe_series(
    view: RunView, part: Part, probe: int
) -> Float32[np.ndarray, "step layer head metric"]:
    """Return one probe's metrics at every step; NaN where undefined or unreadable."""
    view.probe(probe)
    rank, position = view.owners[probe]
    series = _empty(view, part, view.steps)
    places = [at for at, step in enumerate(view.steps) if step in rank.commits]
    commits = [rank.commits[view.steps[at]] for at in places]
    for at, values in zip(places, rank.metrics(commits, part, position=position), strict=True):
        if values is not None:
            series[at] = values[0]
    return series


def split_series(
    view: RunView, part: Part, split: Split, *, steps: Sequence[int]
) -> Float32[np.ndarray, "step layer head metric"]:
    """Return the mean over a split's probes at some steps, undefined values left out.

    NaN where a metric is undefined for all of them. A training without validation has training
    sentences alone: there ``"val"`` means these.
    """
    if split == "val" and not any(probe.split == "val" for probe in view.info.probes):
        split = "train"
    series = _empty(view, part, steps)
    for first in range(0, len(steps), _STEPS_AT_ONCE):
        some = steps[first : first + _STEPS_AT_ONCE]
        total = np.zeros((len(some), *_heads_and_metrics(view, part)))
        defined = np.zeros(total.shape, dtype=np.int64)
        for rank in view.ranks:
            sums = _sums(view, rank, part, split, some)
            for at, step in enumerate(some):
                if step in sums:
                    total[at] += sums[step][0]
                    defined[at] += sums[step][1].astype(np.int64)
        series[first : first + len(some)] = mean_of_sums(total, defined)
    return series


def probes_series(
    view: RunView, part: Part, split: Split, *, steps: Sequence[int], metrics: Sequence[int]
) -> Float32[np.ndarray, "step probe layer head metric"]:
    """Return some metrics of every probe of a split at some steps; NaN where undefined.

    Args:
        view: What was recorded.
        part: The part wanted.
        split: Whose probes; they come in the order of their index.
        steps: Recorded steps, in the order wanted.
        metrics: Positions on the metric axis, in the order wanted.
    """
    wanted = [probe.index for probe in view.info.probes if probe.split == split]
    shape = (len(steps), len(wanted), len(part.layers), part.heads, len(metrics))
    _check_room(view, shape)
    series = np.full(shape, np.nan, dtype=np.float32)
    for rank in view.ranks:
        owned = _owned(view, rank, split)
        places = [at for at, step in enumerate(steps) if owned and step in rank.commits]
        for first in range(0, len(places), _STEPS_AT_ONCE):
            some = places[first : first + _STEPS_AT_ONCE]
            commits = [rank.commits[steps[at]] for at in some]
            for at, values in zip(some, rank.metrics(commits, part), strict=True):
                if values is not None:
                    for position, probe in owned:
                        series[at, wanted.index(probe)] = values[position][..., metrics]
    return series


def output_series(
    view: RunView, split: Split, name: str, *, steps: Sequence[int]
) -> Float32[np.ndarray, "step probe"]:
    """Return one number about the model's output at some steps, per probe of a split in order.

    NaN where it is undefined, and at steps that were recorded without it.

    Raises:
        NotRecordedError: No such number in this recording.
    """
    known = [spec.name for spec in view.info.outputs]
    if name not in known:
        raise NotRecordedError(f"no output statistic {name!r} in this run; it has {known}")
    statistic = known.index(name)
    wanted = [probe.index for probe in view.info.probes if probe.split == split]
    series = np.full((len(steps), len(wanted)), np.nan, dtype=np.float32)
    for rank in view.ranks:
        owned = _owned(view, rank, split)
        places = [at for at, step in enumerate(steps) if owned and step in rank.commits]
        commits = [rank.commits[steps[at]] for at in places]
        for at, values in zip(places, rank.outputs(commits), strict=True):
            if values is not None:
                for position, probe in owned:
                    series[at, wanted.index(probe)] = values[position, statistic]
    return series


def _owned(view: RunView, rank: RankView, split: Split) -> list[tuple[int, int]]:
    """Return (position on this rank, index) of the probes of a split that this rank speaks for."""
    return [
        (position, probe.index)
        for position, probe in enumerate(rank.session.info.probes)
        if probe.split == split and view.owners[probe.index][0] is rank
    ]


def _sums(
    view: RunView, rank: RankView, part: Part, split: Split, steps: Sequence[int]
) -> Mapping[int, Float64[np.ndarray, "2 layer head metric"]]:
    """Return, per step, the sum over the probes this rank owns and how many were defined.

    Sums of steps seen before are remembered: while training goes on, each poll reads one step.
    """
    owned = [position for position, _ in _owned(view, rank, split)]
    if not owned:
        return {}
    identity = (*rank.identity, part.name, split, *map(str, owned))
    here = [step for step in steps if step in rank.commits]
    known = {step: _SUMS.find((*identity, rank.commits[step].file_name)) for step in here}
    sums = {step: found for step, found in known.items() if found is not None}
    missing = [rank.commits[step] for step, found in known.items() if found is None]
    for first in range(0, len(missing), _STEPS_AT_ONCE):
        commits = missing[first : first + _STEPS_AT_ONCE]
        for commit, values in zip(commits, rank.metrics(commits, part), strict=True):
            if values is not None:
                sums[commit.step] = np.stack(sum_of_defined(values[owned], axes=(0,)))
                weight = sums[commit.step].nbytes
                _SUMS.keep((*identity, commit.file_name), sums[commit.step], weight)
    return sums


def _empty(
    view: RunView, part: Part, steps: Sequence[int]
) -> Float32[np.ndarray, "step layer head metric"]:
    shape = (len(steps), *_heads_and_metrics(view, part))
    _check_room(view, shape)
    return np.full(shape, np.nan, dtype=np.float32)


def _check_room(view: RunView, shape: tuple[int, ...]) -> None:
    """Refuse an answer that is too large, or larger than what was written of it.

    A description may promise any number of layers and steps; nothing is set aside for promises.
    """
    wanted, written = math.prod(shape), sum(rank.written for rank in view.ranks) // 4
    most = min(MOST_VALUES, _SMALL + 4 * written)
    if wanted > most:
        raise NotRecordedError(
            f"{wanted} metrics ({' x '.join(map(str, shape))}) are more than one answer may hold, "
            f"{most} for this recording; ask for fewer steps or metrics"
        )


def _heads_and_metrics(view: RunView, part: Part) -> tuple[int, int, int]:
    return len(part.layers), part.heads, len(view.info.metrics)


def read_importance(view: RunView, step: int) -> HeadImportance | None:
    """Return what muting heads did to the probes at a step; ``None`` where nobody measured."""
    commit = view.commit(step)
    column = next((at for at, spec in enumerate(view.info.metrics) if spec.name == IMPORTANCE), -1)
    if column < 0:
        return None
    effects = {part.name: _effects(view, part, step, column) for part in view.info.parts}
    return importance_at(step, view.info.metrics[column].unit, effects, commit.scalars)


def _effects(
    view: RunView, part: Part, step: int, column: int
) -> Float32[np.ndarray, "layer head"]:
    """Return the effects in a part; every sentence that was measured has the same."""
    for split in ("val", "train"):
        found = probes_series(view, part, split, steps=(step,), metrics=(column,))[0, ..., 0]
        measured = found[np.isfinite(found).any(axis=(1, 2))]
        if len(measured):
            first: Float32[np.ndarray, "layer head"] = measured[0]
            return first
    return np.full((len(part.layers), part.heads), np.nan, dtype=np.float32)
