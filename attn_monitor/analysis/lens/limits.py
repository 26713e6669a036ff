"""How far a head's cluster tables reach over training: colours need one scale for all steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.lens.clusters import CLUSTERS, cluster_vectors
from attn_monitor.analysis.lens.compare import centroid_products, row_centred
from attn_monitor.core.arrays import evenly_spread

_MOST_TOKENS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Largest absolute values over several steps, rounded up to two digits.

    Attributes:
        products: Of inner products of centroids.
        centred: Of the same with each row's mean taken out.
    """

    products: float
    centred: float


def table_limits(
    queries: Sequence[Float[np.ndarray, "_token d_head"]],
    keys: Sequence[Float[np.ndarray, "_token d_head"]],
    *,
    k: int = CLUSTERS,
) -> Limits:
    """Return the limits of a colour scale that no step's table stretches.

    Clusters of at most 300 evenly chosen tokens stand for all of them: a tenth of the time, and
    what sticks out by a little is drawn in the strongest colour.

    Args:
        queries: Query vectors of every step looked at.
        keys: Key vectors of every step looked at.
        k: Number of clusters per side.

    Raises:
        ValueError: If there is no step, or a vector is not finite.
    """
    tables = [
        centroid_products(cluster_vectors(_some(q), k=k), cluster_vectors(_some(key), k=k))
        for q, key in zip(queries, keys, strict=True)
    ]
    if not tables:
        raise ValueError("limits need the vectors of at least one step; got none")
    return Limits(
        products=_rounded_up(max(float(np.abs(table).max()) for table in tables)),
        centred=_rounded_up(max(float(np.abs(row_centred(table)).max()) for table in tables)),
    )


def _some(vectors: Float[np.ndarray, "token d_head"]) -> Float[np.ndarray, "some d_head"]:
    return np.asarray(vectors[list(evenly_spread(len(vectors), _MOST_TOKENS))])


def _rounded_up(value: float) -> float:
    if value == 0:
        return 1.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.2g}")
