"""How many clusters: the elbow of the inertia curve, and a warning from the silhouette."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.lens.clusters import Clusters, cluster_vectors
from attn_monitor.core.arrays import evenly_spread

WEAK_SILHOUETTE = 0.25
_MOST_TOKENS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Elbow:
    """Inertia against the number of clusters.

    Attributes:
        ks: The numbers tried, ascending.
        inertias: Sum of squared distances at each.
        chosen: The k at the elbow: the point farthest below the straight line from the first
            point to the last, both axes scaled to 0..1 (Satopaa et al. 2011).
    """

    ks: tuple[int, ...]
    inertias: tuple[float, ...]
    chosen: int


def elbow_curve(
    vectors: Float[np.ndarray, "token d_head"],
    *,
    ks: Sequence[int] = (2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24),
    seed: int = 0,
) -> Elbow:
    """Return the inertia for every number of clusters and the elbow of the curve.

    On demand: one clustering per k, on at most 2000 evenly chosen tokens. SANVis chose 16 for
    all heads in this way.

    Raises:
        ValueError: If ``ks`` is empty.
    """
    if not ks:
        raise ValueError("the elbow needs at least one number of clusters to try; got none")
    chosen = vectors[list(evenly_spread(len(vectors), _MOST_TOKENS))]
    tried = tuple(sorted(set(ks)))
    inertias = tuple(cluster_vectors(chosen, k=k, seed=seed).inertia for k in tried)
    return Elbow(ks=tried, inertias=inertias, chosen=tried[_farthest_below(tried, inertias)])


def silhouette(vectors: Float[np.ndarray, "token d_head"], clusters: Clusters) -> float:
    """Return the mean silhouette, -1 to 1; under 0.25 the clusters are weak.

    On attention heads it usually is (.07 to .12 on BERT): clusters there are a way to sort a
    cloud, not islands, and the silhouette does not choose k. At most 2000 evenly chosen tokens;
    NaN where fewer than two clusters, or only clusters of one, are among them.
    """
    from sklearn.metrics import silhouette_score  # noqa: PLC0415  # 1 s, and only HeadLens needs it

    chosen = list(evenly_spread(len(vectors), _MOST_TOKENS))
    labels = clusters.labels[chosen]
    if not 2 <= len(np.unique(labels)) < len(labels):  # noqa: PLR2004  # its definition
        return float("nan")
    return float(silhouette_score(np.asarray(vectors[chosen], dtype=float), labels))


def _farthest_below(ks: tuple[int, ...], inertias: tuple[float, ...]) -> int:
    x, y = np.asarray(ks, dtype=float), np.asarray(inertias)
    if len(x) < 3 or y[0] <= y[-1]:  # noqa: PLR2004  # a line has no elbow
        return 0
    right, down = (x - x[0]) / (x[-1] - x[0]), (y[0] - y) / (y[0] - y[-1])
    return int((down - right).argmax())
