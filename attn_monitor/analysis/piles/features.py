"""What makes two heads alike: SANVis's feature vector, and the distance it gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import pdist, squareform

from attn_monitor.analysis.metrics.position import at_itself, left, right
from attn_monitor.core.maps import Maps

Scale = Literal["normalised", "raw"]


def pile_features(maps: Maps, *, scale: Scale = "normalised") -> Float[np.ndarray, "head feature"]:
    """Return SANVis's feature vector of every head: the map, and where it looks.

    ``"raw"`` is the paper's: the flattened map, then the sums of its parts after, before and at
    the query itself ("upper", "lower", "diagonal" in a drawing with the first query at the
    bottom are before, after, itself; the distance does not depend on the order). The sums grow
    with the sentence and make up about 80 % of squared distances.

    ``"normalised"`` (the default) is ``[vec(A) / sqrt(2 n), sqrt(1/2) (left, self, right)]``:
    two heads are at most sqrt(2) apart whatever the length, and the map counts for most.

    Encoder-decoder maps have no before and after: only the map is used.

    Raises:
        ValueError: If the scale is unknown.
    """
    if scale not in get_args(Scale):
        raise ValueError(f"scale {scale!r} is unknown; choose one of {get_args(Scale)}")
    flat = maps.attn.reshape(len(maps.attn), -1)
    if scale == "normalised":
        flat = flat / np.sqrt(2 * maps.queries)
    if maps.cross:
        return np.asarray(flat)
    shares = np.stack([right(maps), left(maps), at_itself(maps)], axis=-1)
    weight = maps.queries if scale == "raw" else np.sqrt(0.5)
    return np.concatenate([flat, weight * shares], axis=-1)


def pile_distances(
    sentences: Sequence[Maps], *, scale: Scale = "normalised"
) -> Float[np.ndarray, "head head"]:
    """Return how far apart the heads of a layer are, over all sentences.

    Root of the mean over sentences of the squared Euclidean distance between features. Maps of
    different lengths are never averaged or padded; the answer is still a Euclidean distance, so
    every linkage is allowed. Use at least 16 sentences: piles of one sentence agree with piles of
    another only half (adjusted Rand 0.53).

    Raises:
        ValueError: If there is no sentence.
    """
    if not sentences:
        raise ValueError("piles need at least one sentence; got none")
    squares = [pdist(pile_features(maps, scale=scale), "sqeuclidean") for maps in sentences]
    heads = len(sentences[0].attn)
    if heads == 1:
        return np.zeros((1, 1))
    # Unchecked: a head that diverged is NaN from all others, which is not symmetric to scipy.
    return np.asarray(squareform(np.sqrt(np.mean(squares, axis=0)), checks=False))
