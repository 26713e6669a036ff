"""Alarms about the training itself: attention that collapses, scores that grow.

Low attention entropy goes with oscillating and diverging training (Zhai et al. 2023), and so do
growing attention logits (Dehghani et al. 2023). Neither says anything about overfitting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

COLLAPSED = 0.05  # share of ln(visible keys); this threshold and the next two are our choice
HALVED = 0.5
GROWN = 50.0  # a key this far ahead leaves e^-50 to the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapse:
    """Entropy of the attention rows, as a share of what even attention would have.

    Attributes:
        lowest: The lowest head's.
        median: The median head's.
        at: First index at which the median head is collapsed, or halved within one recorded step
            while the largest score rose; ``None`` if there is none.
    """

    lowest: Float[np.ndarray, " step"]
    median: Float[np.ndarray, " step"]
    at: int | None


def entropy_collapse(
    row_entropy: Float[np.ndarray, "step layer head"],
    logit_max: Float[np.ndarray, "step layer head"] | None,
) -> Collapse:
    """Look for heads that fall onto single keys all at once.

    The median head decides: one head on one key, such as the previous token, is how many healthy
    models work.
    """
    flat = row_entropy.reshape(len(row_entropy), -1).astype(np.float64)
    known = np.isfinite(flat).any(axis=1)
    lowest, median = np.full(len(flat), np.nan), np.full(len(flat), np.nan)
    lowest[known] = np.nanmin(flat[known], axis=1)
    median[known] = np.nanmedian(flat[known], axis=1)
    met = median < COLLAPSED
    if logit_max is not None:
        largest = logit_peak(logit_max)
        met[1:] |= (median[1:] < HALVED * median[:-1]) & (largest[1:] > largest[:-1])
    return Collapse(lowest=lowest, median=median, at=int(np.argmax(met)) if met.any() else None)


def logit_peak(logit_max: Float[np.ndarray, "step layer head"]) -> Float[np.ndarray, " step"]:
    """Return the largest score before softmax over all heads; NaN where none is known."""
    flat = logit_max.reshape(len(logit_max), -1).astype(np.float64)
    known = np.isfinite(flat).any(axis=1)
    peak = np.full(len(flat), np.nan)
    peak[known] = np.nanmax(flat[known], axis=1)
    return peak


def logit_growth(peak: Float[np.ndarray, " step"]) -> int | None:
    """Return the first index at which the largest score exceeds :data:`GROWN`."""
    met = peak > GROWN
    return int(np.argmax(met)) if met.any() else None
