"""HeadLens: what a head's queries and keys stand for (SANVis, section 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.lens.clusters import (
    CLUSTERS,
    Clusters,
    cluster_vectors,
    number_by_place,
)
from attn_monitor.analysis.lens.compare import (
    attention_mass,
    centroid_products,
    lift,
    reads_per_cluster,
    row_centred,
)
from attn_monitor.analysis.lens.elbow import silhouette
from attn_monitor.analysis.lens.profile import Profile, profile_clusters
from attn_monitor.analysis.lens.sample import TokenSample


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The clusters of one kind of vector and what is in them.

    Attributes:
        clusters: Who is together with whom.
        profile: Parts of speech, places and words of each cluster.
        silhouette: -1 to 1; under 0.25 say "weak".
    """

    clusters: Clusters
    profile: Profile
    silhouette: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLens:
    """One head at one step. Tables have query clusters as rows and key clusters as columns.

    Attributes:
        queries: Clusters of query vectors.
        keys: Clusters of key vectors.
        values: Clusters of value vectors, over the tokens of the keys (the paper's future work).
        products: Inner products of centroids, the paper's table.
        centred: The same with each row's mean taken out, all that softmax can see.
        mass: Share of attention from query cluster to key cluster, ``None`` without maps.
        lift: Mass over chance, ``None`` without maps.
        value_mass: Share of attention from query cluster to value cluster, ``None`` without maps or
            values: what each kind of query takes home.
        reads: Mean length of what the tokens of each query cluster take home, ``|A V|``: what the
            head writes for them before its output projection; ``None`` without maps or values.
        d_head: Length of a vector: products over its root are in units of scores.
        tagger: Who tagged the words.
    """

    queries: Side
    keys: Side
    values: Side | None
    products: Float[np.ndarray, "query_cluster key_cluster"]
    centred: Float[np.ndarray, "query_cluster key_cluster"]
    mass: Float[np.ndarray, "query_cluster key_cluster"] | None
    lift: Float[np.ndarray, "query_cluster key_cluster"] | None
    value_mass: Float[np.ndarray, "query_cluster value_cluster"] | None
    reads: Float[np.ndarray, " query_cluster"] | None
    d_head: int
    tagger: str


def head_lens(
    queries: Float[np.ndarray, "query_token d_head"],
    keys: Float[np.ndarray, "key_token d_head"],
    *,
    query_tokens: TokenSample,
    key_tokens: TokenSample,
    values: Float[np.ndarray, "key_token d_value"] | None = None,
    attn: Sequence[np.ndarray] | None = None,
    k: int = CLUSTERS,
    seed: int = 0,
    before: HeadLens | None = None,
) -> HeadLens:
    """Return the lens of one head over a sample of tokens.

    In encoder-decoder attention queries and keys come from different sentences, in two
    languages perhaps: each side has its own tokens. Clusters are numbered by the mean place of
    their tokens in the sentence, and keep their numbers from ``before``.

    Args:
        queries: Query vectors as they enter the product.
        keys: Key vectors as they enter the product.
        query_tokens: The tokens behind the queries.
        key_tokens: The tokens behind the keys and values.
        values: Value vectors, if they are to be clustered too.
        attn: This head's map [query, key] of every sentence, in the order of the tokens.
        k: Number of clusters per side.
        seed: Seeds k-means++.
        before: The lens of the same head and tokens at the step before.
    """
    query = _side(queries, query_tokens, k, seed, None if before is None else before.queries)
    key = _side(keys, key_tokens, k, seed, None if before is None else before.keys)
    value = None
    if values is not None:
        value = _side(values, key_tokens, k, seed, None if before is None else before.values)
    products = centroid_products(query.clusters, key.clusters)
    mass = None if attn is None else attention_mass(attn, query.clusters, key.clusters)
    return HeadLens(
        queries=query,
        keys=key,
        values=value,
        products=products,
        centred=row_centred(products),
        mass=mass,
        lift=None if mass is None else lift(mass, key.clusters),
        value_mass=None
        if attn is None or value is None
        else attention_mass(attn, query.clusters, value.clusters),
        reads=None
        if attn is None or values is None
        else reads_per_cluster(attn, values, query.clusters),
        d_head=queries.shape[1],
        tagger=speakers(query_tokens, key_tokens),
    )


def speakers(queries: TokenSample, keys: TokenSample) -> str:
    """Return who tagged the words, one name where both sides are in one language."""
    if queries.tagger == keys.tagger:
        return queries.tagger
    return f"{queries.tagger}; keys: {keys.tagger}"


def _side(
    vectors: Float[np.ndarray, "token d_head"],
    sample: TokenSample,
    k: int,
    seed: int,
    before: Side | None,
) -> Side:
    previous = None if before is None else before.clusters.labels
    clusters = cluster_vectors(vectors, k=k, seed=seed, before=previous)
    if clusters.kept is None:
        clusters = number_by_place(clusters, sample.place)
    return Side(
        clusters=clusters,
        profile=profile_clusters(clusters.labels, sample, k=len(clusters.centroids)),
        silhouette=silhouette(vectors, clusters),
    )
