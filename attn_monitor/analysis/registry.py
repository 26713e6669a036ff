"""One function and one registry line make a metric: scalar, sort key, life line and column."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.shared import sharing
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.maps import Maps
from attn_monitor.core.types import MetricSpec

HeadMetric = Callable[[Maps], np.ndarray]
"""Attention of one layer on one sentence in, one value per head out; NaN = undefined here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    spec: MetricSpec
    function: HeadMetric


_entries: dict[str, _Entry] = {}


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
) -> Callable[[HeadMetric], HeadMetric]:
    """Register the decorated function as a metric, and return the function unchanged.

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
        _entries[name] = _Entry(spec=spec, function=function)
        return function

    return register


def metric_specs() -> tuple[MetricSpec, ...]:
    """Return every registered metric, in order of registration: the order of columns."""
    return tuple(entry.spec for entry in _entries.values())


def compute_metrics(maps: Maps) -> Float[np.ndarray, "head metric"]:
    """Return every registered metric of every head, float32, columns as in :func:`metric_specs`.

    NaN means that the metric is undefined on these maps, for example the share of attention to
    the previous token in encoder-decoder attention. May be called from any thread.

    Raises:
        ConfigurationError: If a metric does not return one value per head.
    """
    heads = maps.heads
    entries = tuple(_entries.values())
    table = np.empty((heads, len(entries)), dtype=np.float32)
    with sharing(maps):
        for column, entry in enumerate(entries):
            values = np.asarray(entry.function(maps))
            if values.shape != (heads,):
                raise ConfigurationError(
                    f"metric {entry.spec.name!r} returned shape {values.shape}, wanted "
                    f"({heads},): one value per head, NaN where it is undefined"
                )
            table[:, column] = values
    return table


def uniform_reference(maps: Maps) -> Float[np.ndarray, " metric"]:
    """Return the same metrics for a head that spreads its attention evenly over what it sees.

    This is the baseline drawn beside every metric: several of them (confidence, sink, support)
    depend on the length of the sentence, and a value means little without its chance level.
    """
    return np.asarray(compute_metrics(maps.uniform())[0])


def _origin(function: HeadMetric) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', repr(function))}"
