"""Permutation tests: what a difference between two sets of sentences would be by chance alone.

If it does not matter which set a sentence came from, every way of dealing the sentences to two
sets of these sizes is as likely as the one that was observed (Fisher 1935; Good 2005, section 3).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

SHUFFLES = 999
_TINY = 1e-12


@lru_cache(maxsize=16)
def deals(
    first: int, second: int, *, shuffles: int = SHUFFLES, seed: int = 0
) -> Float[np.ndarray, "deal probe"]:
    """Return which sentences are dealt to the first set: 1 or 0, one row per deal.

    Row 0 is the deal that was observed, the first set before the second. The same numbers always
    give the same deals, so that a step tested again gets the same p-value.

    Args:
        first: Sentences in the first set.
        second: Sentences in the second.
        shuffles: Random deals after the observed one.
        seed: Draws them.
    """
    generator = np.random.default_rng(seed)
    total = first + second
    member = np.zeros((shuffles + 1, total))
    member[0, :first] = 1.0
    for row in member[1:]:
        row[generator.permutation(total)[:first]] = 1.0
    member.setflags(write=False)
    return member


def mean_differences(
    member: Float[np.ndarray, "deal probe"], values: Float[np.ndarray, "probe column"]
) -> Float[np.ndarray, "deal column"]:
    """Return mean of the first set minus mean of the second, for every deal."""
    first = int(member[0].sum())
    second = member.shape[1] - first
    inside = member @ values
    return np.asarray(inside / first - (values.sum(axis=0) - inside) / second)


def welch_t(
    member: Float[np.ndarray, "deal probe"], values: Float[np.ndarray, "probe column"]
) -> Float[np.ndarray, "deal column"]:
    """Return Welch's t for every deal; 0 where both sets are constant and equal.

    Studentised, so that the test stays exact when sentences are exchangeable and nearly so when
    only their means agree (Janssen 1997).
    """
    first = int(member[0].sum())
    second = member.shape[1] - first
    centred = values - values.mean(axis=0)
    squares = centred**2
    inside, inside_squares = member @ centred, member @ squares
    mean_first = inside / first
    mean_second = (centred.sum(axis=0) - inside) / second
    spread_first = np.maximum(inside_squares / first - mean_first**2, 0.0)
    outside = squares.sum(axis=0) - inside_squares
    spread_second = np.maximum(outside / second - mean_second**2, 0.0)
    error = np.sqrt(spread_first / max(first - 1, 1) + spread_second / max(second - 1, 1))
    # Against rounding: a column of equal values must not divide one speck of dust by another.
    floor = _TINY + 1e-9 * np.sqrt(squares.mean(axis=0))
    return np.asarray((mean_first - mean_second) / np.maximum(error, floor))


def p_larger(statistic: Float[np.ndarray, "deal column"]) -> Float[np.ndarray, " column"]:
    """Return the share of deals, the observed one included, at least as large as the observed.

    Never 0: with 999 shuffles the smallest possible value is 0.001 (Phipson and Smyth 2010).
    """
    return np.asarray((statistic >= statistic[0] - 1e-9).mean(axis=0))
