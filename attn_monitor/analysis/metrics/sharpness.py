"""How many keys a query really uses."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.registry import metric
from attn_monitor.analysis.metrics.shared import mean_over_choosing_rows
from attn_monitor.analysis.metrics.tally import tally
from attn_monitor.core.arrays import row_products
from attn_monitor.core.maps import Maps


@metric(
    "confidence",
    title="Confidence",
    unit="share of attention",
    low=0,
    high=1,
    reading="1: every word is sure of one word; the chance level is 1 / visible keys.",
    direction="descending",
    source="Voita et al. 2019, section 4 (end-of-sentence not excluded)",
    by_head=True,
)
def confidence(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean of the largest weight of every row, 1/n to 1.

    All rows count, also those that see a single key. Not free of length: read it beside its
    uniform reference ``mean_i 1 / v_i``.
    """
    return np.asarray(tally(maps).top.mean(axis=-1))


@metric(
    "support",
    title="Support",
    unit="share of visible keys",
    low=0,
    high=1,
    reading="Near 0: one key carries a row; 1: every visible key counts alike.",
    source="participation ratio (Kramer and MacKinnon 1993); normaliser: attn_monitor",
    by_head=True,
)
def support(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the effective number of keys per row as a share of the visible ones, 1/n to 1.

    ``mean_i [(sum_j A_ij)^2 / sum_j A_ij^2 / v_i]`` over queries that see more than one key; NaN
    for a sentence of one key.
    """
    used = _effective(tally(maps).totals, tally(maps).squares)
    return mean_over_choosing_rows(maps, used / maps.visible())


def participation(attn: Float[np.ndarray, "*batch query key"]) -> Float[np.ndarray, "*batch query"]:
    """Return the effective number of keys of every row: 1 for one-hot, n for uniform rows."""
    return _effective(attn.sum(axis=-1), row_products(attn, attn))


def _effective(
    totals: Float[np.ndarray, "*batch query"], squares: Float[np.ndarray, "*batch query"]
) -> Float[np.ndarray, "*batch query"]:
    none = np.zeros_like(totals)
    return np.asarray(np.divide(totals**2, squares, out=none, where=squares != 0))
