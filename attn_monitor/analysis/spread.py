"""How a number spreads over sentences: what is drawn as a curve with a band around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_monitor.core.arrays import mean_of_defined

MIDDLE_HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A number over steps, summed up over sentences; NaN where no sentence has a value.

    Attributes:
        sentences: How many sentences there are.
        mean: Their mean, in the number's own unit.
        low: The value that a quarter of them lies below (for a share of one half).
        high: The value that a quarter of them lies above.
    """

    sentences: int
    mean: Float[np.ndarray, " step"]
    low: Float[np.ndarray, " step"]
    high: Float[np.ndarray, " step"]


def spread(values: Float[np.ndarray, "step sentence"], *, share: float = MIDDLE_HALF) -> Spread:
    """Return mean and band of a number over steps.

    The band holds the middle of the sentences at each step. It shows how different sentences are;
    it is no confidence interval of the mean, which is narrower by about the root of their number.

    Args:
        values: One value per step and sentence; undefined ones are left out.
        share: How many of the sentences lie within the band, 0 to 1.
    """
    steps, sentences = values.shape
    low, high = np.full(steps, np.nan), np.full(steps, np.nan)
    for step, row in enumerate(values):
        defined = row[~np.isnan(row)]
        if defined.size:
            low[step], high[step] = np.quantile(defined, (0.5 - share / 2, 0.5 + share / 2))
    mean = mean_of_defined(values, axes=(1,))
    return Spread(sentences=sentences, mean=mean, low=low, high=high)
