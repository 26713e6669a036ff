"""A set of metrics: what one recording measures of every head, whatever others measure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.shared import sharing
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.maps import Maps
from attn_monitor.core.nouns import MetricSpec

HeadMetric = Callable[[Maps], np.ndarray]
"""Attention of one layer on one sentence in, one value per head out; NaN = undefined here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number per head, and what it means.

    Attributes:
        spec: Name, unit, range and reading.
        function: Computes it.
    """

    spec: MetricSpec
    function: HeadMetric


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
        with sharing(maps):
            for column, metric in enumerate(self.metrics):
                values = np.asarray(metric.function(maps))
                if values.shape != (maps.heads,):
                    raise ConfigurationError(
                        f"metric {metric.spec.name!r} returned shape {values.shape}, wanted "
                        f"({maps.heads},): one value per head, NaN where it is undefined"
                    )
                table[:, column] = values
        return table

    def uniform(self, maps: Maps) -> Float[np.ndarray, " metric"]:
        """Return the same metrics for a head that spreads its attention over all it sees.

        This is the baseline drawn beside every metric: several of them (confidence, sink, support)
        depend on the length of the sentence, and a value means little without its chance level.
        """
        return np.asarray(self.compute(maps.uniform())[0])
