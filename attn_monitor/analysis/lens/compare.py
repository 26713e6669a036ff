"""Which kind of query looks at which kind of key: four readings of one table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from attn_monitor.analysis.lens.clusters import Clusters


def centroid_products(
    queries: Clusters, keys: Clusters
) -> Float[np.ndarray, "query_cluster key_cluster"]:
    """Return the inner product of every query centroid with every key centroid (SANVis, step 2).

    Divide by sqrt(d_head) for the units of attention scores.
    """
    return np.asarray(queries.centroids @ keys.centroids.T)


def row_centred(
    products: Float[np.ndarray, "query_cluster key_cluster"],
) -> Float[np.ndarray, "query_cluster key_cluster"]:
    """Return the products with each row's mean taken out.

    A constant added to all keys adds the same number to a whole row of scores, and softmax does
    not see it: differences within a row are all that attention can use.
    """
    return np.asarray(products - products.mean(axis=1, keepdims=True))


def attention_mass(
    attn: Sequence[np.ndarray], queries: Clusters, keys: Clusters
) -> Float[np.ndarray, "query_cluster key_cluster"]:
    """Return the share of attention that tokens of a query cluster give to each key cluster.

    ``C_ab`` = mean over tokens i in a of ``sum_{j in b} A_ij``: rows sum to 1. What the head does
    with these tokens, where the product is what it would like to do. Large clusters collect much
    attention for their size alone: see :func:`lift`. A cluster without tokens has a row of NaN.

    Args:
        attn: One map [query, key] per sentence, in the order of the clustered tokens.
        queries: Clusters of the query tokens.
        keys: Clusters of the key tokens.

    Raises:
        ValueError: If maps and clusters do not have the same tokens.
    """
    lengths = (sum(len(one) for one in attn), sum(one.shape[1] for one in attn))
    if lengths != (len(queries.labels), len(keys.labels)):
        raise ValueError(
            f"the maps have {lengths[0]} queries and {lengths[1]} keys, the clusters "
            f"{len(queries.labels)} and {len(keys.labels)}; pass the maps of the same sentences"
        )
    total = np.zeros((len(queries.centroids), len(keys.centroids)))
    query = key = 0
    for one in attn:
        rows = queries.labels[query : query + len(one)]
        columns = keys.labels[key : key + one.shape[1]]
        to_key = one @ _membership(columns, len(keys.centroids))
        total += _membership(rows, len(queries.centroids)).T @ to_key
        query, key = query + len(one), key + one.shape[1]
    tokens = np.bincount(queries.labels, minlength=len(total)).astype(float)
    tokens[tokens == 0] = np.nan
    return np.asarray(total / tokens[:, None])


def reads_per_cluster(
    attn: Sequence[np.ndarray], values: Float[np.ndarray, "key_token d_value"], queries: Clusters
) -> Float[np.ndarray, " query_cluster"]:
    """Return the mean length of what the tokens of each query cluster take home: ``|A V|``.

    It is what the head writes for them before its output projection. NaN for an empty cluster.

    Args:
        attn: One map [query, key] per sentence, in the order of the clustered tokens.
        values: Value vectors of the keys' tokens, in the same order.
        queries: Clusters of the query tokens.

    Raises:
        ValueError: If maps, values and clusters do not have the same tokens.
    """
    lengths = (sum(len(one) for one in attn), sum(one.shape[1] for one in attn))
    if lengths != (len(queries.labels), len(values)):
        raise ValueError(
            f"the maps have {lengths[0]} queries and {lengths[1]} keys, the clusters "
            f"{len(queries.labels)} tokens and the values {len(values)}; pass those of the same "
            "sentences"
        )
    ends = np.cumsum([one.shape[1] for one in attn])[:-1]
    mixed = [one @ vectors for one, vectors in zip(attn, np.split(values, ends), strict=True)]
    sizes = np.linalg.norm(np.concatenate(mixed), axis=1)
    total = np.bincount(queries.labels, weights=sizes, minlength=len(queries.centroids))
    tokens = np.bincount(queries.labels, minlength=len(total)).astype(float)
    tokens[tokens == 0] = np.nan
    return np.asarray(total / tokens)


def lift(
    mass: Float[np.ndarray, "query_cluster key_cluster"], keys: Clusters
) -> Float[np.ndarray, "query_cluster key_cluster"]:
    """Return attention mass over the share of tokens in the key cluster.

    1: as much as by chance; 3: three times as much. NaN for an empty key cluster.
    """
    share = np.bincount(keys.labels, minlength=mass.shape[1]) / len(keys.labels)
    share[share == 0] = np.nan
    return np.asarray(mass / share)


def _membership(
    labels: Int[np.ndarray, " token"], count: int
) -> Float[np.ndarray, "token cluster"]:
    return np.asarray(np.eye(count)[labels])
