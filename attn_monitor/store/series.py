"""Metrics over all steps of a run, of one probe or averaged over a split."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from attn_monitor.core.errors import AttnMonitorError
from attn_monitor.core.types import Part, Split
from attn_monitor.store.commits import Commit
from attn_monitor.store.lru import ByteLru
from attn_monitor.store.rank import RankView
from attn_monitor.store.union import RunView

_Key = tuple[str, str, str, str, str]
_SUMS = ByteLru[_Key, np.ndarray](64 * 2**20)


def probe_series(
    view: RunView, part: Part, probe: int
) -> Float32[np.ndarray, "step layer head metric"]:
    """Return one probe's metrics at every step; NaN where undefined or unreadable."""
    view.probe(probe)
    rank, position = view.owners[probe]
    series = _empty(view, part)
    for at, step in enumerate(view.steps):
        commit = rank.commits.get(step)
        if commit is not None:
            values = _readable(rank, commit, part, position)
            if values is not None:
                series[at] = values[0]
    return series


def split_series(
    view: RunView, part: Part, split: Split
) -> Float32[np.ndarray, "step layer head metric"]:
    """Return the mean over a split's probes at every step, undefined values left out.

    NaN where a metric is undefined for all of them.
    """
    series = _empty(view, part)
    for at, step in enumerate(view.steps):
        total = np.zeros((2, *series.shape[1:]))
        for rank in view.ranks:
            commit = rank.commits.get(step)
            if commit is not None:
                total += _sum_and_count(view, rank, commit, part, split)
        np.divide(total[0], total[1], out=series[at], where=total[1] > 0, casting="same_kind")
    return series


def _sum_and_count(
    view: RunView, rank: RankView, commit: Commit, part: Part, split: Split
) -> np.ndarray:
    """Return the sum over the probes this rank owns in a split, and how many were defined."""

    def compute() -> np.ndarray:
        owned = [
            position
            for position, probe in enumerate(rank.session.info.probes)
            if probe.split == split and view.owners[probe.index][0] is rank
        ]
        values = _readable(rank, commit, part, None)
        shape = (len(part.layers), part.heads, len(view.info.metrics))
        if values is None or not owned:
            return np.zeros((2, *shape))
        chosen = values[owned].astype(np.float64)
        defined = ~np.isnan(chosen)
        return np.stack([np.where(defined, chosen, 0.0).sum(axis=0), defined.sum(axis=0)])

    key = (rank.folder.location, rank.name, f"{rank.session.id}/{commit.file_name}",
           part.name, split)  # fmt: skip
    return _SUMS.get(key, compute, lambda array: array.nbytes)


def _readable(
    rank: RankView, commit: Commit, part: Part, position: int | None
) -> Float32[np.ndarray, "probe layer head metric"] | None:
    try:
        return rank.metrics(commit, part, probe=position)
    except AttnMonitorError:
        return None  # one damaged step must not hide the curves of all others


def _empty(view: RunView, part: Part) -> Float32[np.ndarray, "step layer head metric"]:
    shape = (len(view.steps), len(part.layers), part.heads, len(view.info.metrics))
    return np.full(shape, np.nan, dtype=np.float32)
