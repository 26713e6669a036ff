"""The same metrics without holding a whole layer: one head at a time, for long sentences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis import compute_metrics, metric_specs
from attn_monitor.analysis.shared import mean_over_choosing_rows, plogp, row_nats
from attn_monitor.core.maps import Maps


def metrics_head_by_head(
    heads: int, maps_of: Callable[[int], Maps]
) -> Float[np.ndarray, "head metric"]:
    """Return what ``compute_metrics`` returns for all heads, holding one head's map and a sum.

    Head diversity compares the heads of a layer: it is finished from the running sum of the maps
    and of their row entropies.

    Args:
        heads: Number of heads.
        maps_of: Returns the maps of one head.
    """
    names = [spec.name for spec in metric_specs()]
    table = np.empty((heads, len(names)), dtype=np.float32)
    for head in range(heads):
        maps = maps_of(head)
        table[head] = compute_metrics(maps)[0]
        nats = row_nats(maps)[0]
        if head == 0:
            blend, total = np.array(maps.attn[0]), np.array(nats)
        else:
            blend += maps.attn[0]
            total += nats
    if heads > 1 and "head_diversity" in names:
        blend /= heads
        spread = np.maximum(0.0 - plogp(blend).sum(axis=-1) - total / heads, 0.0)
        shared = mean_over_choosing_rows(maps, spread[None] / np.log(heads))
        table[:, names.index("head_diversity")] = shared
    return table
