"""How far apart two heads are, or the same head at two steps: Jensen-Shannon distance."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.shared import choosing_rows, plogp
from attn_monitor.core.maps import Maps


def row_jsd(
    first: Float[np.ndarray, "*batch key"], second: Float[np.ndarray, "*batch key"]
) -> Float[np.ndarray, "*batch"]:
    """Return the Jensen-Shannon divergence of two sets of rows, in bits.

    ``H((p + q) / 2) - (H(p) + H(q)) / 2`` (Lin 1991): 0 for equal rows, 1 for rows that share no
    key. Its square root is :func:`row_distance`.
    """
    rows = (first, second, (first + second) / 2)
    return _jsd_of_entropies(*(plogp(row).sum(axis=-1) for row in rows))


def _jsd_of_entropies(
    first: Float[np.ndarray, "*batch"],
    second: Float[np.ndarray, "*batch"],
    blend: Float[np.ndarray, "*batch"],
) -> Float[np.ndarray, "*batch"]:
    apart = (first + second) / 2 - blend  # of p log p: the signs are those of negative entropies
    return np.asarray(np.maximum(apart, 0.0) / np.log(2))  # rounding may dip below 0


def row_distance(
    first: Float[np.ndarray, "*batch key"], second: Float[np.ndarray, "*batch key"]
) -> Float[np.ndarray, "*batch"]:
    """Return the Jensen-Shannon distance of two sets of rows: 0 the same, 1 no key in common.

    The square root of :func:`row_jsd`, a metric (Endres and Schindelin 2003).
    """
    return np.asarray(np.sqrt(row_jsd(first, second)))


def head_change(before: Maps, now: Maps) -> Float[np.ndarray, " head"]:
    """Return how much every head changed between two steps: mean row distance, 0 to 1.

    This is what "changed" means in the tab's list of heads, its piles of steps and its bars.
    Queries that see a single key are left out: they cannot change. NaN where no query has a
    choice, and where a weight is.

    Raises:
        ValueError: If the two steps do not show the same sentence and heads.
    """
    if before.attn.shape != now.attn.shape:
        raise ValueError(
            f"the two steps have maps of shapes {before.attn.shape} and {now.attn.shape}; "
            "compare the same sentence and layer"
        )
    rows = choosing_rows(now)
    if not rows.any():
        return np.full(len(now.attn), np.nan)
    return np.asarray(row_distance(before.attn[:, rows], now.attn[:, rows]).mean(axis=-1))


def pair_distance(maps: Maps) -> Float[np.ndarray, "head head"]:
    """Return the mean row distance of every two heads of the layer, 0 to 1, symmetric.

    On demand: H (H - 1) / 2 passes over the maps, 0.9 s for 16 heads and 512 tokens. 0: the two
    heads do the same; 1: they never look at the same word (Clark et al. 2019, section 6).
    """
    rows = choosing_rows(maps)
    attn = maps.attn[:, rows]
    heads = len(attn)
    answer = np.zeros((heads, heads))
    if not rows.any():
        return np.full((heads, heads), np.nan)
    entropies = plogp(attn).sum(axis=2)
    for head in range(heads):
        others = slice(head + 1, heads)
        blends = plogp((attn[head] + attn[others]) / 2).sum(axis=2)
        own = np.broadcast_to(entropies[head], blends.shape)
        apart = _jsd_of_entropies(own, entropies[others], blends)
        answer[head, others] = np.sqrt(apart).mean(axis=-1)
    return np.asarray(answer + answer.T)
