"""Is the model another one on sentences it learned from? One number per sentence, two sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_monitor.signals.permutation import deals, mean_differences, p_larger, welch_t

SMALLEST_SET = 7  # with 7 + 7 sentences there are 3432 deals: p = 0.001 is just possible
_SHUFFLES = 4999
_RESAMPLES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Mean of the validation probes minus mean of the training probes, per step.

    Attributes:
        val: Mean over validation probes, with its 95 % bootstrap interval below.
        val_low: Lower edge.
        val_high: Upper edge.
        train: Mean over training probes.
        train_low: Lower edge.
        train_high: Upper edge.
        gap: Their difference.
        gap_low: Lower edge of its 95 % bootstrap interval.
        gap_high: Upper edge.
        null_low: 2.5 % of shuffled deals give a smaller difference.
        null_high: 2.5 % give a larger one.
        t: Welch's t of the difference.
        p: Share of deals with at least this t; NaN where a probe has no value.
    """

    val: Float[np.ndarray, " step"]
    val_low: Float[np.ndarray, " step"]
    val_high: Float[np.ndarray, " step"]
    train: Float[np.ndarray, " step"]
    train_low: Float[np.ndarray, " step"]
    train_high: Float[np.ndarray, " step"]
    gap: Float[np.ndarray, " step"]
    gap_low: Float[np.ndarray, " step"]
    gap_high: Float[np.ndarray, " step"]
    null_low: Float[np.ndarray, " step"]
    null_high: Float[np.ndarray, " step"]
    t: Float[np.ndarray, " step"]
    p: Float[np.ndarray, " step"]


def measure_gap(
    val: Float[np.ndarray, "step val_probe"], train: Float[np.ndarray, "step train_probe"]
) -> Gap:
    """Compare two sets of probes at every step.

    Returns:
        The gap, its bootstrap interval, its permutation band and the one-sided p-value of "the
        validation probes have more of it". Shuffles are the same at every step.
    """
    member = deals(val.shape[1], train.shape[1], shuffles=_SHUFFLES)
    both = np.concatenate([val, train], axis=1, dtype=np.float64).T
    defined = np.asarray(np.isfinite(both).all(axis=0))
    filled = np.where(defined, both, 0.0)
    null = mean_differences(member, filled)
    null_low, null_high = np.quantile(null[1:], (0.025, 0.975), axis=0)
    t = welch_t(member, filled)
    means_val, means_train = _resampled(val, 1), _resampled(train, 2)

    def edges(means: Float[np.ndarray, "resample step"]) -> tuple[np.ndarray, np.ndarray]:
        low, high = np.quantile(means, (0.025, 0.975), axis=0)
        return _where(defined, low), _where(defined, high)

    val_low, val_high = edges(means_val)
    train_low, train_high = edges(means_train)
    gap_low, gap_high = edges(means_val - means_train)
    return Gap(
        val=_where(defined, val.mean(axis=1)),
        val_low=val_low,
        val_high=val_high,
        train=_where(defined, train.mean(axis=1)),
        train_low=train_low,
        train_high=train_high,
        gap=_where(defined, null[0]),
        gap_low=gap_low,
        gap_high=gap_high,
        null_low=_where(defined, null_low),
        null_high=_where(defined, null_high),
        t=_where(defined, t[0]),
        p=_where(defined, p_larger(t)),
    )


def first_met(met: np.ndarray, *, times: int) -> int | None:
    """Return the first index at which ``met`` has held for ``times`` steps in a row."""
    running = 0
    for at, yes in enumerate(met):
        running = running + 1 if yes else 0
        if running == times:
            return at
    return None


def _resampled(
    values: Float[np.ndarray, "step probe"], seed: int
) -> Float[np.ndarray, "resample step"]:
    """Return the means of resampled sets of sentences (Efron 1979), the same sets at every step."""
    probes = values.shape[1]
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(probes, np.full(probes, 1 / probes), size=_RESAMPLES)
    finite = np.where(np.isfinite(values), values, 0.0)
    return np.asarray(counts @ finite.T.astype(np.float64) / probes)


def _where(defined: np.ndarray, values: Float[np.ndarray, " step"]) -> Float[np.ndarray, " step"]:
    return np.where(defined, values, np.nan)
