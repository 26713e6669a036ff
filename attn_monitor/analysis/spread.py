"""How a number spreads over sentences: what is drawn as a curve with a band around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

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
    ordered = np.concatenate([np.sort(values, axis=1), np.full((steps, 1), np.nan)], axis=1)
    defined = sentences - np.isnan(values).sum(axis=1)  # undefined ones are sorted to the end
    return Spread(
        sentences=sentences,
        mean=mean_of_defined(values, axes=(1,)),
        low=_quantile(ordered, defined, 0.5 - share / 2),
        high=_quantile(ordered, defined, 0.5 + share / 2),
    )


def _quantile(
    ordered: Float[np.ndarray, "step sentence"], defined: Int[np.ndarray, " step"], at: float
) -> Float[np.ndarray, " step"]:
    """Return a quantile of every row at once, as ``numpy.quantile`` does of one; NaN of none.

    Args:
        ordered: The values, ascending, undefined ones last; one of these at least in every row.
        defined: How many of a row are defined.
        at: Which quantile, 0 to 1.
    """
    place = at * np.maximum(defined - 1, 0)
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, np.maximum(defined - 1, 0))
    rows = np.arange(len(ordered))
    one, other = ordered[rows, below], ordered[rows, above]
    with np.errstate(invalid="ignore"):  # of infinities
        found = one + (other - one) * (place - below)
    whole = (place == below) | (one == other) | (np.isinf(one) & np.isfinite(other))
    return np.asarray(np.where(whole, one, found))
