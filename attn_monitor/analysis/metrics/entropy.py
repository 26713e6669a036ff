"""Entropy of what a query looks at, and of what the keys receive."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.registry import metric
from attn_monitor.analysis.metrics.shared import mean_over_choosing_rows, undefined
from attn_monitor.analysis.metrics.tally import entropy_terms, tally
from attn_monitor.core.maps import Maps

_ROUNDING = 1e-9  # far below what one even row gives a key


@metric(
    "row_entropy",
    title="Row entropy",
    unit="share of ln(visible keys)",
    low=0,
    high=1,
    reading="0: every word looks at one word only; 1: it looks at all words alike.",
    source="Clark et al. 2019, section 3.3; Zhai et al. 2023 (normaliser: attn_monitor)",
    by_head=True,
)
def row_entropy(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean entropy of the rows, each as a share of the largest it could be.

    ``mean_i [-sum_j A_ij ln A_ij / ln v_i]`` with ``v_i`` the keys that query ``i`` sees, over
    the queries that see more than one. 0 to 1; NaN for a sentence of one key.
    """
    widest = np.log(np.maximum(maps.visible(), 2))  # rows that see one key are dropped below
    return mean_over_choosing_rows(maps, tally(maps).nats / widest)


@metric(
    "col_entropy",
    title="Column entropy",
    unit="share of ln(keys)",
    low=0,
    high=1,
    reading="0: all words look at the same word, a vertical bar; 1: no two share one, a diagonal.",
    source="Park et al. 2019 (SANVis), section 5.1",
    by_head=True,
)
def col_entropy(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the entropy of the attention that the keys receive, SANVis's sort key.

    ``r_j = (sum_i A_ij) / u_j``, made to sum to 1, then ``-sum_j r_j ln r_j / ln n``. SANVis's
    "column-wise mean entropy" has two readings; only the entropy of the column *means* puts
    vertical bars first and diagonals last, as its Figure 4 shows. ``u_j`` is what a uniform head
    would give key ``j``: without it, early keys of a causal head would look favoured because
    more queries see them. 0 to 1; NaN where fewer than two keys can be seen.
    """
    (first, end), even = maps.sight(), 1.0 / maps.visible()
    # An even row gives 1 / v to each of its v keys: it begins to at the first, and ends after them.
    begins = np.bincount(first, weights=even, minlength=maps.keys + 1)
    fair = (begins - np.bincount(end, weights=even, minlength=maps.keys + 1)).cumsum()[:-1]
    seen = fair > _ROUNDING
    keys = int(seen.sum())
    if keys < 2:  # noqa: PLR2004  # one key: nothing to be spread over
        return undefined(maps)
    received = tally(maps).received[:, seen] / fair[seen]
    total = received.sum(axis=-1, keepdims=True)
    share = np.divide(received, total, out=np.zeros_like(received), where=total != 0)
    return np.asarray((0.0 - entropy_terms(share)) / np.log(keys))
