"""Early signs that the attention of a training run is about to break."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.registry import metric
from attn_monitor.analysis.metrics.shared import undefined
from attn_monitor.core.maps import Maps


@metric(
    "logit_max",
    title="Largest logit",
    unit="score before softmax",
    reading="Growing without end, with row entropy falling: training is about to diverge.",
    direction="descending",
    source="Dehghani et al. 2023 (ViT-22B), section 2; Zhai et al. 2023",
)
def logit_max(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the largest attention score before softmax; NaN where the kernel hides it."""
    return undefined(maps) if maps.logit_max is None else maps.logit_max
