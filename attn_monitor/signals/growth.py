"""Scores that grow: a log-linear forecast per head, from readings of training batches.

Scores grow in every training; what is told is growth that leads somewhere: at the pace of the last
readings a head's largest score passes :data:`LIMIT` soon. What that is worth was measured in
``docs/growth.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

LIMIT: Final = 100.0  # a softmax is one-hot long before; Kimi K2's clip holds scores here


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthRule:
    """When growth is told.

    Attributes:
        readings: How many of the last readings the line is fitted to.
        horizon: How far ahead the forecast counts, in spans of these readings.
        floor: Largest score below which growth is learning, not trouble.
    """

    readings: int = 8
    horizon: float = 1.0
    floor: float = 5.0


RULE: Final = GrowthRule()
# Student's t, two-sided 95 %, by the points of a line less two.
_T: Final = {2: 4.303, 3: 3.182, 4: 2.776, 6: 2.447, 8: 2.306, 10: 2.228, 14: 2.145}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A straight line through the logarithm of each head's score, at the end of every window.

    Attributes:
        slope: Per step.
        error: Half of its 95 % interval.
        middle: The line's value at the middle of its window.
        center: The step there.
        span: Steps that a window covers.
        last: The score of the window's last reading.
    """

    slope: Float[np.ndarray, window * head]
    error: Float[np.ndarray, window * head]
    middle: Float[np.ndarray, window * head]
    center: Float[np.ndarray, " window"]
    span: Float[np.ndarray, " window"]
    last: Float[np.ndarray, window * head]


def lines(
    steps: Float[np.ndarray, " reading"],
    scores: Float[np.ndarray, reading * head],
    readings: int = RULE.readings,
) -> Lines:
    """Fit a line to the last readings at every reading; needs ``readings`` of them at least.

    Args:
        steps: Of the readings, ascending.
        scores: The largest score per head; what is not above 0 has no logarithm and no line.
        readings: How many readings a window has.
    """
    x = np.lib.stride_tricks.sliding_window_view(np.asarray(steps, float), readings)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.asarray(scores, float))
    logs = np.where(np.isfinite(logs), logs, np.nan)
    y = np.moveaxis(np.lib.stride_tricks.sliding_window_view(logs, readings, axis=0), -1, 1)
    shape = (len(x), readings, *([1] * (logs.ndim - 1)))
    center = x.mean(1)
    around = (x - center[:, None]).reshape(shape)
    spread = (around**2).sum(1)
    middle = y.mean(1)
    slope = (around * y).sum(1) / spread
    rest = y - middle[:, None] - slope[:, None] * around
    deviation = np.sqrt((rest**2).sum(1) / (readings - 2) / spread)
    return Lines(
        slope=slope,
        error=_T[readings - 2] * deviation,
        middle=middle,
        center=center,
        span=x[:, -1] - x[:, 0],
        last=np.asarray(scores, float)[readings - 1 :],
    )


def met(found: Lines, rule: GrowthRule = RULE) -> Bool[np.ndarray, window * head]:
    """Return where growth is told: certain, large enough, and past the limit before long."""
    shape = (-1, *([1] * (found.slope.ndim - 1)))
    end = (found.center + found.span / 2).reshape(shape)
    ahead = end + rule.horizon * found.span.reshape(shape) - found.center.reshape(shape)
    with np.errstate(invalid="ignore"):
        then = found.middle + found.slope * ahead
        certain = found.slope > found.error
        return np.asarray(certain & (found.last >= rule.floor) & (then >= np.log(LIMIT)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When a head's largest score passes :data:`LIMIT`, at the pace of the last readings.

    Attributes:
        rate: Growth per 100 steps, as a share: .12 is 12 %.
        at: Step at which it passes; NaN where it does not grow.
        earliest: The same at the upper end of the pace's 95 % interval.
        latest: At its lower end; NaN where that does not grow.
    """

    rate: float
    at: float
    earliest: float
    latest: float


def forecast(found: Lines, head: tuple[int, ...]) -> Forecast:
    """Return the forecast of a head at the last reading."""
    slope, error, middle = (float(x[(-1, *head)]) for x in (found.slope, found.error, found.middle))

    def passes(pace: float) -> float:
        return float(found.center[-1]) + (np.log(LIMIT) - middle) / pace if pace > 0 else np.nan

    return Forecast(
        rate=float(np.expm1(100 * slope)),
        at=passes(slope),
        earliest=passes(slope + error),
        latest=passes(slope - error),
    )


def cause(query: float, key: float, score: float) -> str:
    """Return in words what makes a score grow.

    Args:
        query: Slope of the logarithm of the queries' mean length.
        key: That of the keys.
        score: That of the largest score.
    """

    def said(name: str, slope: float) -> str:
        share = slope / score if score else 0.0
        if share > 0.25:  # noqa: PLR2004  # a quarter of the growth
            return f"{name} grow"
        return f"{name} shrink" if share < -0.25 else f"{name} flat"  # noqa: PLR2004

    words = f"{said('queries', query)}, {said('keys', key)}"
    if query + key < score / 2:
        words += "; they turn towards each other"
    return words
