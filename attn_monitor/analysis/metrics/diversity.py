"""How different the heads of a layer are from one another."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.registry import metric
from attn_monitor.analysis.metrics.shared import mean_over_choosing_rows
from attn_monitor.analysis.metrics.tally import tally
from attn_monitor.core.maps import Maps


@metric(
    "head_diversity",
    title="Head diversity",
    unit="share of ln(heads)",
    low=0,
    high=1,
    reading="0: all heads of the layer do the same; 1: no two heads look at the same words.",
    direction="descending",
    source="generalised Jensen-Shannon divergence (Lin 1991); pairwise in Clark et al. 2019",
)
def head_diversity(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the generalised Jensen-Shannon divergence of the layer's heads, for every head.

    ``mean_i [H(mean_h A_hi) - mean_h H(A_hi)] / ln(heads)``, 0 to 1. It belongs to the layer and
    is repeated for each of its heads. A single head differs from nobody: 0.
    """
    heads = maps.heads
    if heads == 1:
        return np.zeros(1)
    counted = tally(maps)
    # Rounding may dip below 0.
    spread = np.maximum(counted.blend_nats - counted.nats.mean(axis=0), 0.0)
    return np.repeat(mean_over_choosing_rows(maps, spread[None] / np.log(heads)), heads)[:heads]
