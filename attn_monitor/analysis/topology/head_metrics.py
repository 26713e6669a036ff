"""Topology as metrics, one value per head, for those who switch it on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.registry import metric
from attn_monitor.analysis.shared import plogp, shared, undefined
from attn_monitor.analysis.topology.bars import bar_statistics
from attn_monitor.analysis.topology.components import merge_heights
from attn_monitor.analysis.topology.graph import attention_graph
from attn_monitor.analysis.topology.loops import loop_bars
from attn_monitor.core.maps import Maps

_CORNEANU = "life and midlife of Corneanu et al. 2020, on the graph of Kushnareva et al. 2021"


def register_topology() -> None:
    """Add five metrics of the attention graph: scalars, sort keys and life lines like any other.

    They are not in the default set because loops cost about 0.3 ms per head and sentence. Call
    it once, before training or before reading the registry.
    """
    unit = "1 - weight"
    metric(
        "h0_life",
        title="Component life",
        unit=unit,
        low=0,
        high=1,
        reading="Low: strong links join all words early; near 1: attention is spread thin.",
        source="Kushnareva et al. 2021, section 3",
    )(component_life)
    metric(
        "h0_evenness",
        title="Component evenness",
        unit="share of ln(bars)",
        low=0,
        high=1,
        reading="1: all links that join words are equally strong.",
        source="persistence entropy, Kushnareva et al. 2021, section 3",
    )(component_evenness)
    metric(
        "h1_count",
        title="Loops",
        unit="loops",
        low=0,
        reading="How many rings of words without a shortcut open, up to weight 0.05.",
        source=_CORNEANU,
    )(loop_count)
    metric(
        "h1_life",
        title="Loop life",
        unit=unit,
        low=0,
        high=1,
        reading="High: rings stay open long. Undefined where there are none.",
        source=_CORNEANU,
    )(loop_life)
    metric(
        "h1_midlife",
        title="Loop midlife",
        unit=unit,
        low=0,
        high=1,
        reading="Low: rings of strong links; high: rings of weak ones. Undefined without rings.",
        source=_CORNEANU,
    )(loop_midlife)


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
