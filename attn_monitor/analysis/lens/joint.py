"""Queries and keys of one head in one picture whose axes stay while training moves the points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Vectors = Float[np.ndarray, "_token d_head"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JointBasis:
    """A plane through a head's space, and what to subtract before a vector is put on it.

    Attributes:
        query_centre: Mean of all queries.
        key_centre: Mean of all keys. Taking it from every key adds the same number to all scores
            of a query, which softmax does not see: the two clouds may share a centre (Yeh et al.
            2023, AttentionViz, section 5.1).
        axes: Two directions of unit length, those of the largest spread of all vectors together.
        explained: Share of the squared spread along each axis, 0 to 1.
        reach: Largest absolute coordinate of any vector the basis was made from: the limit of
            both axes, so that a length is the same in every direction and at every step.
    """

    query_centre: Float[np.ndarray, " d_head"]
    key_centre: Float[np.ndarray, " d_head"]
    axes: Float[np.ndarray, "2 d_head"]
    explained: Float[np.ndarray, " 2"]
    reach: float

    def place_queries(self, queries: Vectors) -> Float[np.ndarray, "token 2"]:
        """Return where queries stand on the plane."""
        return np.asarray((queries - self.query_centre) @ self.axes.T)

    def place_keys(self, keys: Vectors) -> Float[np.ndarray, "token 2"]:
        """Return where keys stand on the plane."""
        return np.asarray((keys - self.key_centre) @ self.axes.T)


def joint_basis(queries: Sequence[Vectors], keys: Sequence[Vectors]) -> JointBasis:
    """Return the principal plane of a head's queries and keys at several steps together.

    One basis for all of them: a basis of each step's own would turn under the points, and what
    moved could not be told from how it was looked at. Every axis points to where the sum of its
    loadings is positive.

    Args:
        queries: Query vectors of every step.
        keys: Key vectors of every step.

    Raises:
        ValueError: If there is no vector, or one is not finite.
    """
    if not queries or not keys or not sum(map(len, queries)) or not sum(map(len, keys)):
        raise ValueError("a joint map needs queries and keys of at least one step; got none")
    asking, asked = np.concatenate(queries), np.concatenate(keys)
    if not (np.isfinite(asking).all() and np.isfinite(asked).all()):
        raise ValueError("some vectors are not finite: the head diverged at one of these steps")
    query_centre, key_centre = asking.mean(axis=0), asked.mean(axis=0)
    together = np.concatenate([asking - query_centre, asked - key_centre])
    spread, directions = np.linalg.eigh(together.T @ together)
    order = spread.argsort()[::-1][:2]
    axes = directions.T[order]
    axes = axes * np.where(axes.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    if len(axes) == 1:  # vectors of one number lie on a line
        axes, order = np.concatenate([axes, np.zeros_like(axes)]), np.array([0, 0])
    total = spread.sum()
    return JointBasis(
        query_centre=query_centre,
        key_centre=key_centre,
        axes=axes,
        explained=np.maximum(spread[order], 0) / total if total > 0 else np.zeros(2),
        reach=float(np.abs(together @ axes.T).max()),
    )
