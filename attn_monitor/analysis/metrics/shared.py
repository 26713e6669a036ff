"""Intermediate results that several metrics need, worked out once per set of maps.

Nearly every default metric is made of the same numbers per row and per key
(:mod:`attn_monitor.analysis.metrics.tally`). A function marked :func:`shared` is computed once
inside :func:`sharing` and plainly every time outside of it, so that a metric stays a pure function
that can be called alone. The memory is a context variable: each thread has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import NamedTuple, TypeVar, cast

import numpy as np
from jaxtyping import Bool, Float

from attn_monitor.core.maps import Maps

T = TypeVar("T")
_Step = Callable[[Maps], object]


class _Memory(NamedTuple):
    maps: Maps
    results: dict[_Step, object]


_memory: ContextVar[_Memory | None] = ContextVar("attn_monitor_shared", default=None)


@contextmanager
def sharing(maps: Maps, known: Mapping[_Step, object] | None = None) -> Iterator[None]:
    """Let every :func:`shared` step of ``maps`` run at most once until the block ends.

    Args:
        maps: The maps.
        known: Answers that somebody has already, by the step that would give them.
    """
    token = _memory.set(_Memory(maps, dict(known or {})))
    try:
        yield
    finally:
        _memory.reset(token)


def shared(step: Callable[[Maps], T]) -> Callable[[Maps], T]:
    """Make a step of the analysis remember its answer inside :func:`sharing`."""

    @wraps(step)
    def remembered(maps: Maps) -> T:
        memory = _memory.get()
        if memory is None or memory.maps is not maps:
            return step(maps)
        if remembered not in memory.results:
            memory.results[remembered] = step(maps)
        return cast("T", memory.results[remembered])

    return remembered


def plogp(p: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return ``p ln p``, elementwise, 0 where ``p`` is 0 and NaN where ``p`` is NaN.

    The smallest positive number stands in for 0 in the logarithm: ``0 * ln(tiny)`` is 0, and no
    second pass over the array is needed.
    """
    logs = np.asarray(np.maximum(p, np.finfo(p.dtype).tiny))
    np.log(logs, out=logs)
    logs *= p
    return logs


@shared
def choosing_rows(maps: Maps) -> Bool[np.ndarray, " query"]:
    """Return which queries see more than one key.

    The first query of a causal head has one key to look at: whatever the head does, its row is
    one-hot. Such rows say nothing about the head and are left out of means over rows.
    """
    return np.asarray(maps.visible() > 1)


def mean_over_choosing_rows(
    maps: Maps, values: Float[np.ndarray, "head query"]
) -> Float[np.ndarray, " head"]:
    """Return the mean over queries that have a choice; NaN where no query has one."""
    rows = choosing_rows(maps)
    if not rows.any():
        return undefined(maps)
    return np.asarray(values[:, rows].mean(axis=-1))


def undefined(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return NaN for every head: the metric has no meaning on these maps."""
    return np.full(maps.heads, np.nan)
