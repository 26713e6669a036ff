"""Induction heads: having seen "A B ... A", look at B."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def induction(
    attn: Float[np.ndarray, "head token token"], *, period: int
) -> Float[np.ndarray, " head"]:
    """Return the attention to the token that followed last time, 0 to 1.

    The sentence must be ``period`` random tokens written twice; the score is the mean of
    ``A[i, i - period + 1]`` over the second half (Olsson et al. 2022, appendix). Meaningful for
    causal language models.

    Raises:
        ValueError: If the sentence is not two periods long.
    """
    tokens = attn.shape[-1]
    if period < 1 or tokens != 2 * period:
        raise ValueError(
            f"a sentence of {tokens} tokens is not {period} tokens written twice; replay a random "
            "sequence followed by itself"
        )
    query = np.arange(period, tokens)
    return np.asarray(attn[:, query, query - period + 1].mean(axis=-1))
