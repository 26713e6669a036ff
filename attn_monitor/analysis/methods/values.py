"""What attention moves: weights times the size of what they are weights of."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def norm_attention(
    attn: Float[np.ndarray, "head query key"],
    value: Float[np.ndarray, "kv_head key d_head"],
    output: Float[np.ndarray, "head d_head d_model"],
) -> Float[np.ndarray, "head query key"]:
    """Return each key's share in what a query receives, rows sum to 1.

    ``A_ij ||v_j W_O||``, each row divided by its sum (Kobayashi et al. 2020, equation 4). A head
    that stares at [SEP] often moves almost nothing from there; this map shows it. A row that
    receives nothing stays 0.

    Args:
        attn: Weights after softmax.
        value: Value vectors; fewer heads than ``attn`` are shared by groups of its heads.
        output: The slice of the output projection that belongs to each head.
    """
    projected = _shared_values(attn, value) @ output
    moved = attn * np.linalg.norm(projected, axis=-1)[:, None, :]
    total = moved.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(moved, total, out=np.zeros_like(moved), where=total != 0))


def contribution(
    attn: Float[np.ndarray, "head query key"],
    value: Float[np.ndarray, "kv_head key d_head"],
    output: Float[np.ndarray, "head d_head d_model"],
) -> Float[np.ndarray, " head"]:
    """Return each head's share in the size of the layer's output, sums to 1.

    ``c_h = mean_i ||(A_h V_h W_O^h)_i||``, divided by the sum over heads: a stand-in without
    gradients for the head importance of Michel et al. 2019. NaN if the whole layer is silent.
    Arguments as for :func:`norm_attention`.
    """
    vectors = _shared_values(attn, value)
    sizes = np.array(
        [
            np.linalg.norm(attn[head] @ vectors[head] @ output[head], axis=-1).mean()
            for head in range(len(attn))
        ]
    )
    total = sizes.sum()
    return np.asarray(sizes / total) if total > 0 else np.full(len(attn), np.nan)


def _shared_values(
    attn: Float[np.ndarray, "head query key"], value: Float[np.ndarray, "kv_head key d_head"]
) -> Float[np.ndarray, "head key d_head"]:
    groups, rest = divmod(len(attn), len(value))
    if rest:
        raise ValueError(
            f"{len(attn)} heads cannot share {len(value)} sets of values evenly; pass one set of "
            "values per head or per group of heads"
        )
    return np.repeat(value, groups, axis=0)
