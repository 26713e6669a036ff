"""Topology as metrics, one value per head, for recordings that ask for it."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.metric_set import Metric, MetricSet
from attn_monitor.analysis.metrics.shared import plogp, shared, undefined
from attn_monitor.analysis.topology.bars import bar_statistics
from attn_monitor.analysis.topology.components import merge_heights
from attn_monitor.analysis.topology.graph import attention_graph
from attn_monitor.analysis.topology.loops import loop_bars
from attn_monitor.core.maps import Maps
from attn_monitor.core.nouns import MetricSpec

_CORNEANU: Final = (
    "life and midlife of Corneanu et al. 2020, on the graph of Kushnareva et al. 2021"
)
_LENGTH: Final = "1 - weight"


def component_life(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean death of dimension 0; NaN for cross-attention and for one token."""
    return _merges(maps).mean(axis=-1) if _has_graph(maps) else undefined(maps)


def component_evenness(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the normalised persistence entropy of dimension 0; NaN for fewer than 3 tokens."""
    if not _has_graph(maps) or maps.keys < 3:  # noqa: PLR2004  # one bar is even in itself
        return undefined(maps)
    deaths = _merges(maps)
    total = deaths.sum(axis=-1, keepdims=True)
    share = np.divide(deaths, total, out=np.zeros_like(deaths), where=total != 0)
    return np.asarray((0.0 - plogp(share).sum(axis=-1)) / np.log(maps.keys - 1))


def loop_count(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the number of loops of the flag complex; NaN for cross-attention."""
    return _loop_column(maps, 0)


def loop_life(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean length of the loops; NaN where there are none and for cross-attention."""
    return _loop_column(maps, 1)


def loop_midlife(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean midpoint of the loops; NaN as for :func:`loop_life`."""
    return _loop_column(maps, 2)


def _has_graph(maps: Maps) -> bool:
    return not maps.cross and maps.keys > 1


@shared
def _merges(maps: Maps) -> Float[np.ndarray, "head merge"]:
    return merge_heights(attention_graph(maps.attn))


@shared
def _loops(maps: Maps) -> Float[np.ndarray, "head 3"]:
    return np.array([_loop_numbers(graph) for graph in attention_graph(maps.attn)])


def _loop_numbers(graph: Float[np.ndarray, "token token"]) -> tuple[float, float, float]:
    if not np.isfinite(graph).all():
        return (np.nan, np.nan, np.nan)
    found = bar_statistics(loop_bars(graph))
    return float(found.count), found.life, found.midlife


def _loop_column(maps: Maps, column: int) -> Float[np.ndarray, " head"]:
    return np.asarray(_loops(maps)[:, column]) if _has_graph(maps) else undefined(maps)


TOPOLOGY_METRICS: Final = MetricSet(
    (
        Metric(
            spec=MetricSpec(
                name="h0_life",
                title="Component life",
                unit=_LENGTH,
                low=0.0,
                high=1.0,
                reading="Low: strong links join all words early; near 1: attention is spread thin.",
                source="Kushnareva et al. 2021, section 3",
            ),
            function=component_life,
        ),
        Metric(
            spec=MetricSpec(
                name="h0_evenness",
                title="Component evenness",
                unit="share of ln(bars)",
                low=0.0,
                high=1.0,
                reading="1: all links that join words are equally strong.",
                source="persistence entropy, Kushnareva et al. 2021, section 3",
            ),
            function=component_evenness,
        ),
        Metric(
            spec=MetricSpec(
                name="h1_count",
                title="Loops",
                unit="loops",
                low=0.0,
                high=None,
                reading="How many rings of words without a shortcut open, up to weight 0.05.",
                source=_CORNEANU,
            ),
            function=loop_count,
        ),
        Metric(
            spec=MetricSpec(
                name="h1_life",
                title="Loop life",
                unit=_LENGTH,
                low=0.0,
                high=1.0,
                reading="High: rings stay open long. Undefined where there are none.",
                source=_CORNEANU,
            ),
            function=loop_life,
        ),
        Metric(
            spec=MetricSpec(
                name="h1_midlife",
                title="Loop midlife",
                unit=_LENGTH,
                low=0.0,
                high=1.0,
                reading="Low: rings of strong links; high: of weak ones. Undefined without rings.",
                source=_CORNEANU,
            ),
            function=loop_midlife,
        ),
    )
)
"""Five metrics of the attention graph: scalars, sort keys and life lines like any other.

They are no default, because loops cost about 0.3 ms per head and sentence.
"""
