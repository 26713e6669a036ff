"""Bars of a filtration: when a component, a loop or a cavity is born and when it dies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.shared import plogp


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """The bars of one dimension of the filtration 1 - w: strong edges enter first.

    Attributes:
        dimension: 0 components, 1 loops, 2 cavities.
        intervals: Birth and death of every bar, in units of 1 - w, sorted by birth, then death.
        cut: Where the filtration stopped; bars still open there end there.
        open_bars: How many bars were still open at the cut.
        tokens: How many tokens took part.
        left_out: How many tokens the cap left out.
    """

    dimension: int
    intervals: Float[np.ndarray, "bar 2"]
    cut: float
    open_bars: int
    tokens: int
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BarStatistics:
    """What a set of bars looks like in five numbers.

    Attributes:
        count: Number of bars.
        total: Sum of their lengths, in units of 1 - w.
        life: Mean length, NaN without bars (Corneanu et al. 2020, lambda).
        midlife: Mean of (birth + death) / 2, NaN without bars (Corneanu et al. 2020, mu). The
            code released with that paper computes death + birth / 2 instead.
        entropy: Persistence entropy in nats: 0 if one bar is all, ln(count) if all are equal.
        evenness: The same divided by ln(count), 0 to 1; 0 for fewer than two bars.
    """

    count: int
    total: float
    life: float
    midlife: float
    entropy: float
    evenness: float


def bar_statistics(bars: Bars) -> BarStatistics:
    """Return the statistics of a set of bars."""
    intervals = bars.intervals
    count = len(intervals)
    lengths = intervals[:, 1] - intervals[:, 0]
    total = float(lengths.sum())
    entropy = float(0.0 - plogp(lengths / total).sum()) if total > 0 else 0.0
    return BarStatistics(
        count=count,
        total=total,
        life=float(lengths.mean()) if count else float("nan"),
        midlife=float(intervals.mean()) if count else float("nan"),
        entropy=entropy,
        evenness=entropy / float(np.log(count)) if count > 1 else 0.0,
    )
