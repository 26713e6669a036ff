"""How far attention has moved since the best validation loss. Descriptive: time moves it too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attn_monitor.core.arrays import mean_of_defined
from attn_monitor.core.nouns import MetricSpec


def drift_since(
    metrics: Float[np.ndarray, "step layer head metric"],
    specs: Sequence[MetricSpec],
    reference: int,
) -> tuple[Float[np.ndarray, " step"], Float[np.ndarray, "step layer head"]]:
    """Return the mean absolute change of the bounded metrics since a reference step.

    Each metric is first divided by its range, so that 1 is from one end to the other.

    Args:
        metrics: Means over validation probes.
        specs: What the metrics are; those without both a smallest and a largest value are left
            out, since they have no common scale.
        reference: Index of the step to compare with.

    Returns:
        The mean over heads per step, and the values per head.
    """
    bounded = [
        at for at, spec in enumerate(specs) if spec.low is not None and spec.high is not None
    ]
    ranges = np.array(
        [(specs[at].high or 0.0) - (specs[at].low or 0.0) for at in bounded], dtype=np.float64
    )
    chosen = metrics[..., bounded].astype(np.float64) / ranges
    change = np.abs(chosen - chosen[reference])
    per_head = mean_of_defined(change, axes=(3,))
    return mean_of_defined(per_head, axes=(1, 2)), per_head
