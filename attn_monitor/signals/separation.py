"""Does attention itself tell training from validation sentences? Descriptive: see the docs.

The statistic is the mean over heads and metrics of ``|Welch t|`` of each sentence's change since
the first recorded step. Its band comes from dealing the same sentences to two sets at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_monitor.signals.permutation import deals, p_larger, welch_t

SHUFFLES = 199  # of thousands of numbers each
_COLUMNS_AT_ONCE = 2048
_SMALLEST_SPREAD = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How far apart two sets of sentences are at one step.

    Attributes:
        statistic: Mean |t| over heads and metrics; about 0.8 if the sets do not differ.
        low: 2.5 % of shuffled deals have a smaller one.
        high: 2.5 % have a larger one.
        p: Share of deals with at least this statistic.
        z: The statistic in standard deviations of the shuffled deals above their mean.
        heads: The same z for every head alone; NaN where a head's metrics do not vary.
    """

    statistic: float
    low: float
    high: float
    p: float
    z: float
    heads: Float[np.ndarray, "layer head"]


def separate(
    val: Float[np.ndarray, "val_probe layer head metric"],
    train: Float[np.ndarray, "train_probe layer head metric"],
    *,
    shuffles: int = SHUFFLES,
) -> Separation:
    """Compare two sets of sentences by their attention metrics.

    A number that is undefined for some sentence, or the same for all, is left out.

    Args:
        val: The metrics of each validation sentence, or their change.
        train: The same of the training sentences.
        shuffles: Random deals the statistic is compared with.
    """
    layers, heads, metrics = val.shape[1:]
    both = np.concatenate([val, train]).reshape(len(val) + len(train), -1).astype(np.float64)
    defined = np.isfinite(both).all(axis=0)
    usable = defined & (np.where(defined, both, 0.0).std(axis=0) > _SMALLEST_SPREAD)
    member = deals(len(val), len(train), shuffles=shuffles)
    total = np.zeros((shuffles + 1, layers * heads))
    owner = np.arange(layers * heads).repeat(metrics)
    columns = np.flatnonzero(usable)
    for start in range(0, len(columns), _COLUMNS_AT_ONCE):
        some = columns[start : start + _COLUMNS_AT_ONCE]
        t = np.abs(welch_t(member, both[:, some]))
        # Columns of one head lie side by side: sum each run of them.
        first = np.flatnonzero(np.r_[True, np.diff(owner[some]) != 0])
        total[:, owner[some][first]] += np.add.reduceat(t, first, axis=1)
    count = np.bincount(owner[columns], minlength=layers * heads)
    if not len(columns):
        return _nothing(layers, heads)
    overall = total.sum(axis=1) / len(columns)
    per_head = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    low, high = np.quantile(overall[1:], (0.025, 0.975))
    return Separation(
        statistic=float(overall[0]),
        low=float(low),
        high=float(high),
        p=float(p_larger(overall[:, None])[0]),
        z=float(_z(overall)),
        heads=_z(per_head).reshape(layers, heads),
    )


def _z(statistic: Float[np.ndarray, deal * rest]) -> np.ndarray:
    spread = statistic[1:].std(axis=0)
    above = statistic[0] - statistic[1:].mean(axis=0)
    return np.asarray(np.divide(above, spread, out=np.full_like(spread, np.nan), where=spread > 0))


def _nothing(layers: int, heads: int) -> Separation:
    return Separation(
        statistic=float("nan"),
        low=float("nan"),
        high=float("nan"),
        p=1.0,
        z=float("nan"),
        heads=np.full((layers, heads), np.nan),
    )
