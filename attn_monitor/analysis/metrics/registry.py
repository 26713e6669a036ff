"""One decorated function is one metric: scalar, sort key, life line and column."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.metric_set import HeadMetric, Metric, MetricSet
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.maps import Maps
from attn_monitor.core.nouns import MetricSpec

_entries: dict[str, Metric] = {}
_latest = MetricSet(())


def metric(
    name: str,
    *,
    title: str,
    unit: str,
    reading: str,
    low: float | int | None = None,
    high: float | int | None = None,
    direction: Literal["ascending", "descending"] = "ascending",
    source: str = "attn_monitor",
    by_head: bool = False,
) -> Callable[[HeadMetric], HeadMetric]:
    """Register the decorated function as a metric, and return the function unchanged.

    Recordings that begin later have it; one under way keeps the metrics it began with.

    A function defined again (a notebook cell run twice) replaces its earlier self and keeps its
    place; another function under a taken name is an error.

    Args:
        name: Identifier in files, tags and URLs: lower-case letters, digits and underscores.
        title: Name on screen.
        unit: What the number counts.
        reading: One sentence: what low and high values look like.
        low: Smallest possible value, ``None`` if unbounded.
        high: Largest possible value, ``None`` if unbounded.
        direction: The order in which sorting shows heads.
        source: Paper and equation or section.
        by_head: The value of a head follows from its weights and from ``maps.causal`` and
            ``maps.cross`` alone, so that heads of several sentences may be given at once.

    Raises:
        ConfigurationError: If the name is malformed or belongs to another function.

    Example:
        >>> @metric("peak", title="Peak", unit="share of attention", reading="1: one key, once.")
        ... def peak(maps):
        ...     return maps.attn.max(axis=(1, 2))
        >>> metric_specs()[-1].name
        'peak'
        >>> del _entries["peak"]
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigurationError(
            f"metric name {name!r} must be lower-case letters, digits and underscores, starting "
            "with a letter: it becomes part of file names, tags and URLs"
        )
    spec = MetricSpec(
        name=name,
        title=title,
        unit=unit,
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        reading=reading,
        direction=direction,
        source=source,
    )

    def register(function: HeadMetric) -> HeadMetric:
        known = _entries.get(name)
        if known is not None and _origin(known.function) != _origin(function):
            raise ConfigurationError(
                f"metric {name!r} is already defined by {_origin(known.function)}; "
                f"give {_origin(function)} another name"
            )
        _entries[name] = Metric(spec=spec, function=function, by_head=by_head)
        return function

    return register


def registered_metrics() -> MetricSet:
    """Return every metric registered so far, in order of registration: the order of columns."""
    global _latest  # noqa: PLW0603  # asked for once per map, and nearly always the same
    metrics = tuple(_entries.values())
    if _latest.metrics != metrics:
        _latest = MetricSet(metrics)
    return _latest


def metric_specs() -> tuple[MetricSpec, ...]:
    """Return what each registered metric means, in the order of columns."""
    return registered_metrics().specs


def compute_metrics(maps: Maps) -> Float[np.ndarray, "head metric"]:
    """Return every registered metric of every head: :meth:`MetricSet.compute`."""
    return registered_metrics().compute(maps)


def uniform_reference(maps: Maps) -> Float[np.ndarray, " metric"]:
    """Return the same for a head that spreads its attention evenly: :meth:`MetricSet.uniform`."""
    return registered_metrics().uniform(maps)


def _origin(function: HeadMetric) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', repr(function))}"
