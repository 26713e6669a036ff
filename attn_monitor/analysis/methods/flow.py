"""Attention through several layers: which input tokens reach which output tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

_UNITS = 1_000_000  # the flow solver counts in integers: a millionth of a token's attention


def rollout(layers: Float[np.ndarray, "layer token token"]) -> Float[np.ndarray, "token token"]:
    """Return the attention of the last layer to the input tokens, rows sum to 1.

    Every layer passes half of a token on unchanged, the residual connection:
    ``R_l = rownorm(A_l / 2 + I / 2) R_(l-1)`` (Abnar and Zuidema 2020, section 3).

    Args:
        layers: The head mean of every layer, first layer first.
    """
    reached = np.eye(layers.shape[-1])
    for mixing in _with_residual(layers):
        reached = mixing @ reached
    return reached


def attention_flow(
    layers: Float[np.ndarray, "layer token token"], *, queries: Sequence[int] | None = None
) -> Float[np.ndarray, "query token"]:
    """Return the largest flow from output tokens down to every input token, 0 to 1.

    Capacities are the mixed weights of :func:`rollout`; an answer is the value of one maximum
    flow in the graph of all layers (Abnar and Zuidema 2020, section 4), exact to a millionth per
    link. On demand: one flow per pair of tokens.

    Args:
        layers: The head mean of every layer, first layer first.
        queries: The output tokens to start from; all of them if ``None``.
    """
    depth, tokens = layers.shape[:2]
    capacity = np.rint(_with_residual(layers) * _UNITS).astype(np.int32)
    # Places as int32 too: older scipy (1.14) takes no others.
    level, query, key = (places.astype(np.int32) for places in np.nonzero(capacity))
    links = csr_array(
        (capacity[level, query, key], ((level + 1) * tokens + query, level * tokens + key)),
        shape=((depth + 1) * tokens,) * 2,
    )
    starts = range(tokens) if queries is None else queries
    flows = [
        [maximum_flow(links, depth * tokens + start, end).flow_value for end in range(tokens)]
        for start in starts
    ]
    return np.array(flows, dtype=float).reshape(len(starts), tokens) / _UNITS


def _with_residual(
    layers: Float[np.ndarray, "layer token token"],
) -> Float[np.ndarray, "layer token token"]:
    mixed = (layers + np.eye(layers.shape[-1])) / 2
    return np.asarray(mixed / mixed.sum(axis=-1, keepdims=True))
