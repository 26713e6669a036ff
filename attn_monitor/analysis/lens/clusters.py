"""k-means++ on the vectors of one head, and numbers that stay from step to step."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

CLUSTERS = 16
_STARTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Groups of tokens whose vectors are near one another.

    Attributes:
        labels: The cluster of every token.
        centroids: The mean vector of every cluster.
        inertia: Sum of squared distances of tokens to their centroid.
        kept: Share of tokens that kept their cluster's number since the step before, 0 to 1;
            ``None`` at the first step.
        agreement: Adjusted Rand index with the step before; ``None`` at the first step.
    """

    labels: Int[np.ndarray, " token"]
    centroids: Float[np.ndarray, "cluster d_head"]
    inertia: float
    kept: float | None = None
    agreement: float | None = None


def cluster_vectors(
    vectors: Float[np.ndarray, "token d_head"],
    *,
    k: int = CLUSTERS,
    seed: int = 0,
    before: Int[np.ndarray, " old_token"] | None = None,
) -> Clusters:
    """Return k-means++ clusters of a head's queries, keys or values (SANVis, HeadLens step 1b).

    With fewer than ``k`` different vectors there are as many clusters as vectors. Nothing is
    standardised: attention is a dot product in this very space.

    Args:
        vectors: One vector per token.
        k: Number of clusters; 16 as in the paper.
        seed: Seeds the choice of first centroids; the best of four starts is kept.
        before: The clusters of the same tokens at the step before. k-means then starts from the
            means of those groups, so that nothing flickers, and clusters keep their numbers: they
            are matched by who is together with whom, because a head's space may rotate.

    Raises:
        ValueError: If there is no vector, one is not finite, or ``before`` is about other tokens.
    """
    tokens = len(vectors)
    if tokens == 0:
        raise ValueError("cannot cluster no vectors; record at least one sentence with vectors")
    broken = int((~np.isfinite(vectors)).any(axis=1).sum())
    if broken:
        raise ValueError(
            f"{broken} of {tokens} vectors are not finite: the head diverged at this step; choose "
            "another step"
        )
    if before is not None and len(before) != tokens:
        raise ValueError(
            f"the step before has clusters of {len(before)} tokens, this one {tokens} vectors; "
            "numbers stay stable only over the same sample of tokens"
        )
    count = min(k, len(np.unique(vectors, axis=0)))
    if before is None or before.max(initial=0) >= count:
        return _k_means(vectors, count, seed, start=None)
    start = _group_means(vectors, before, count)
    return _renumbered(_k_means(vectors, count, seed, start=start), before)


def number_by_place(clusters: Clusters, place: Float[np.ndarray, " token"]) -> Clusters:
    """Return the same clusters, numbered by the mean place of their tokens in the sentence."""
    count = len(clusters.centroids)
    size = np.maximum(np.bincount(clusters.labels, minlength=count), 1)
    mean = np.bincount(clusters.labels, weights=place, minlength=count) / size
    order = np.argsort(mean, kind="stable")
    return _permuted(clusters, order.argsort())


def _k_means(
    vectors: Float[np.ndarray, "token d_head"],
    count: int,
    seed: int,
    *,
    start: Float[np.ndarray, "cluster d_head"] | None,
) -> Clusters:
    from sklearn.cluster import KMeans  # noqa: PLC0415  # 1 s, and only HeadLens needs it

    model = KMeans(
        n_clusters=count,
        init="k-means++" if start is None else start,
        n_init=_STARTS if start is None else 1,
        random_state=seed,
    ).fit(np.asarray(vectors, dtype=float))
    return Clusters(
        labels=np.asarray(model.labels_, dtype=int),
        centroids=np.asarray(model.cluster_centers_, dtype=float),
        inertia=float(model.inertia_),
    )


def _group_means(
    vectors: Float[np.ndarray, "token d_head"], labels: Int[np.ndarray, " token"], count: int
) -> Float[np.ndarray, "cluster d_head"]:
    """Return the mean vector of every group; a group that is empty starts at a far token."""
    means = np.full((count, vectors.shape[1]), np.nan)
    for group in np.unique(labels):
        means[group] = vectors[labels == group].mean(axis=0)
    for empty in np.flatnonzero(np.isnan(means[:, 0])):
        known = means[~np.isnan(means[:, 0])]
        apart = ((vectors[:, None] - known[None]) ** 2).sum(axis=-1).min(axis=1)
        means[empty] = vectors[apart.argmax()]
    return means


def _renumbered(clusters: Clusters, before: Int[np.ndarray, " token"]) -> Clusters:
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415  # loaded by KMeans already

    count = len(clusters.centroids)
    overlap = np.zeros((count, count), dtype=int)
    np.add.at(overlap, (clusters.labels, before), 1)
    _, number = linear_sum_assignment(-overlap)
    matched = _permuted(clusters, number)
    return replace(
        matched,
        kept=float((matched.labels == before).mean()),
        agreement=float(adjusted_rand_score(before, matched.labels)),
    )


def _permuted(clusters: Clusters, number: Int[np.ndarray, " cluster"]) -> Clusters:
    """Return the clusters with cluster c called ``number[c]``."""
    return replace(
        clusters,
        labels=np.asarray(number[clusters.labels]),
        centroids=np.asarray(clusters.centroids[number.argsort()]),
    )
