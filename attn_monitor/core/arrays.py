"""Arithmetic that several folders need to mean the same by: one definition each."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64, Int64


def sum_of_defined(
    values: Float[np.ndarray, "*_any"], *, axes: tuple[int, ...]
) -> tuple[Float64[np.ndarray, "*_any"], Int64[np.ndarray, "*_any"]]:
    """Return the sum over some axes without the NaNs, and how many values it is made of.

    Sums are float64 whatever comes, so that a mean may be taken of several of them
    (:func:`mean_of_sums`) and is the mean of all values at once.
    """
    defined = ~np.isnan(values)
    total = np.where(defined, values, 0.0).sum(axis=axes, dtype=np.float64)
    return np.asarray(total), np.asarray(defined.sum(axis=axes), dtype=np.int64)


def mean_of_sums(
    total: Float64[np.ndarray, "*_any"], count: Int64[np.ndarray, "*_any"]
) -> Float64[np.ndarray, "*_any"]:
    """Return the mean of what was summed up; NaN where that is nothing."""
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def mean_of_defined(
    values: Float[np.ndarray, "*_any"], *, axes: tuple[int, ...]
) -> Float64[np.ndarray, "*_any"]:
    """Return the mean over some axes without the NaNs, float64; NaN where there is nothing else.

    Infinite values count: they are what was measured. Not ``numpy.nanmean``, which warns where
    nothing is defined, and filters of warnings are not per thread.

    Example:
        >>> mean_of_defined(np.array([[1.0, np.nan], [3.0, np.nan]]), axes=(0,))
        array([ 2., nan])
    """
    return mean_of_sums(*sum_of_defined(values, axes=axes))


def evenly_spread(size: int, count: int | None) -> tuple[int, ...]:
    """Return ``count`` of the positions ``0..size - 1``, evenly spaced, first and last among them.

    Args:
        size: How many positions there are.
        count: How many are wanted; ``None``, or more than there are, for all.

    Example:
        >>> evenly_spread(9, 3)
        (0, 4, 8)
    """
    if count is None or count >= size:
        return tuple(range(size))
    if count == 1:
        return (0,)
    return tuple(round(at * (size - 1) / (count - 1)) for at in range(count))


_FEW_KEYS = 256


def row_maxima(values: Float[np.ndarray, "*batch key"]) -> Float[np.ndarray, "*batch"]:
    """Return the largest entry of each row, NaN where there is one.

    Halves of short rows are compared with each other: row by row it takes three times as long.
    """
    while 8 < values.shape[-1] <= _FEW_KEYS:  # noqa: PLR2004  # as many as are compared at once
        half = values.shape[-1] // 2
        larger = np.maximum(values[..., :half], values[..., half : 2 * half])
        if values.shape[-1] % 2:
            np.maximum(larger[..., 0], values[..., -1], out=larger[..., 0])
        values = larger
    return np.asarray(values.max(axis=-1))


def row_products(
    one: Float[np.ndarray, "*batch key"], other: Float[np.ndarray, "*batch key"]
) -> Float[np.ndarray, "*batch"]:
    """Return the scalar product of each row of one array with the same row of another."""
    vecdot = getattr(np, "vecdot", None)  # since numpy 2
    if vecdot is None:
        return np.asarray(np.einsum("...k,...k->...", one, other))
    return np.asarray(vecdot(one, other))
