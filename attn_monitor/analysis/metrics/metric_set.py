"""A set of metrics: what one recording measures of every head, whatever others measure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.shared import sharing
from attn_monitor.analysis.metrics.tally import tallies, tally
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.maps import BLOCK_WEIGHTS, Maps
from attn_monitor.core.nouns import MetricSpec

_SHORT: Final = 1 << 14  # weights of one sentence
HeadMetric = Callable[[Maps], np.ndarray]
"""Attention of one layer on one sentence in, one value per head out; NaN = undefined here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number per head, and what it means.

    Attributes:
        spec: Name, unit, range and reading.
        function: Computes it.
        by_head: Every value follows from the weights of its head alone, and from whether attention
            is causal or cross: heads of several sentences may be computed together.
    """

    spec: MetricSpec
    function: HeadMetric
    by_head: bool = False

    def values(self, maps: Maps) -> np.ndarray:
        """Return one value per head.

        Raises:
            ConfigurationError: The function returns something else.
        """
        values = np.asarray(self.function(maps))
        if values.shape != (maps.heads,):
            raise ConfigurationError(
                f"metric {self.spec.name!r} returned shape {values.shape}, wanted "
                f"({maps.heads},): one value per head, NaN where it is undefined"
            )
        return values


@dataclass(frozen=True, slots=True)
class MetricSet:
    """Metrics in the order of their columns; it never changes.

    Attributes:
        metrics: The metrics.

    Raises:
        ConfigurationError: Two metrics have one name.
    """

    metrics: tuple[Metric, ...]

    def __post_init__(self) -> None:
        for name, times in Counter(spec.name for spec in self.specs).items():
            if times > 1:
                raise ConfigurationError(
                    f"a recording can hold one metric named {name!r}, got {times}; "
                    "give yours another name"
                )

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self.metrics)

    def __add__(self, other: MetricSet) -> MetricSet:
        """Return these metrics followed by the others."""
        return MetricSet(self.metrics + other.metrics)

    @property
    def specs(self) -> tuple[MetricSpec, ...]:
        """What each column means."""
        return tuple(metric.spec for metric in self.metrics)

    def compute(self, maps: Maps) -> Float[np.ndarray, "head metric"]:
        """Return every metric of every head, float32.

        NaN means that the metric is undefined on these maps, for example the share of attention
        to the previous token in encoder-decoder attention. May be called from any thread.

        Raises:
            ConfigurationError: A metric does not return one value per head.
        """
        table = np.empty((maps.heads, len(self.metrics)), dtype=np.float32)
        with sharing(maps), _without_warnings():
            for column, metric in enumerate(self.metrics):
                table[:, column] = metric.values(maps)
        return table

    def compute_each(self, group: Sequence[Maps]) -> list[Float[np.ndarray, "head metric"]]:
        """Return the table of :meth:`compute` of each of several maps, in their order.

        Short sentences of one length are stacked and reduced together, which is several times as
        fast; values are the same up to rounding.

        Raises:
            ConfigurationError: A metric does not return one value per head.
        """
        alike: dict[object, list[int]] = {}
        for at, maps in enumerate(group):
            # Beyond some tens of tokens it is no faster, and rows are made only when asked for.
            short = type(maps) is Maps and maps.attn.size <= _SHORT and not maps.documents
            known = maps.attn.dtype if short else at
            alike.setdefault((known, maps.shape, maps.causal, maps.cross), []).append(at)
        tables: dict[int, Float[np.ndarray, "head metric"]] = {}
        for members in alike.values():
            many = max(1, BLOCK_WEIGHTS // max(1, math.prod(group[members[0]].shape)))
            for first in range(0, len(members), many):
                chosen = members[first : first + many]
                found = self._together([group[at] for at in chosen])
                tables.update(zip(chosen, found, strict=True))
        return [tables[at] for at in range(len(group))]

    def _together(self, group: Sequence[Maps]) -> list[Float[np.ndarray, "head metric"]]:
        if len(group) == 1:
            return [self.compute(group[0])]
        first = group[0]
        tables = np.empty((len(group), first.heads, len(self.metrics)), dtype=np.float32)
        stacked = Maps(
            attn=np.concatenate([maps.attn for maps in group]),
            causal=first.causal,
            cross=first.cross,
        )
        with _without_warnings():
            with sharing(stacked):
                for column, metric in enumerate(self.metrics):
                    if metric.by_head:
                        tables[:, :, column] = metric.values(stacked).reshape(tables.shape[:2])
                counted = tallies(group, stacked)
            for table, maps, known in zip(tables, group, counted, strict=True):
                with sharing(maps, {tally: known}):
                    for column, metric in enumerate(self.metrics):
                        if not metric.by_head:
                            table[:, column] = metric.values(maps)
        return list(tables)

    def uniform(self, maps: Maps) -> Float[np.ndarray, " metric"]:
        """Return the same metrics for a head that spreads its attention over all it sees.

        This is the baseline drawn beside every metric: several of them (confidence, sink, support)
        depend on the length of the sentence, and a value means little without its chance level.
        """
        return np.asarray(self.compute(maps.uniform())[0])


def _without_warnings() -> AbstractContextManager[object]:
    """Infinite and very large weights give infinity or NaN, which is what their metrics are."""
    return np.errstate(invalid="ignore", over="ignore")
