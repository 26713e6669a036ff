"""Induction heads: having seen "A B ... A", look at B."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from attn_monitor.analysis.metrics.registry import metric
from attn_monitor.analysis.metrics.shared import undefined
from attn_monitor.core.maps import Maps


@metric(
    "induction",
    title="Induction",
    unit="share of attention",
    low=0,
    high=1,
    reading="1: a word seen before looks at what followed it then; chance is below 0.1.",
    direction="descending",
    source="Olsson et al. 2022 (prefix matching), on the sentence as it is",
)
def prefix_matching(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the attention of repeated tokens to what followed them earlier, 0 to 1.

    The mean over queries ``i`` whose token stands at some earlier ``p < i - 1``, of the sum of
    ``A[i, p + 1]`` over all such ``p``. On random tokens written twice it is the prefix-matching
    score of Olsson et al., see :func:`induction`; here it is taken on whatever sentence is probed,
    and a text that repeats nothing has none. NaN there, without a causal mask, for encoder-decoder
    attention, and where the tokens are not known.
    """
    if maps.key_tokens is None or maps.cross or not maps.causal:
        return undefined(maps)
    number = {token: i for i, token in enumerate(dict.fromkeys(maps.key_tokens))}
    ids = np.array([number[token] for token in maps.key_tokens])
    total, queries = np.zeros(maps.heads), 0
    nearest, _ = maps.sight()
    for first, block in maps.blocks():
        end = first + block.shape[1]
        after = _after_the_same(ids, first, end)
        after[:, 1:] &= np.arange(maps.keys - 1) >= nearest[first:end, None]  # in its own document
        total += np.einsum("hqk,qk->h", block, after.astype(block.dtype))
        queries += int(after.any(axis=1).sum())
    return total / queries if queries else undefined(maps)


def _after_the_same(ids: np.ndarray, first: int, end: int) -> Bool[np.ndarray, "query key"]:
    """Return which keys follow an earlier copy of the query's token, for queries ``first:end``."""
    same = np.zeros((end - first, len(ids)), dtype=bool)
    same[:, 1:] = ids[first:end, None] == ids[None, :-1]
    # Strictly before the query: of "A A" the second follows the first, and is the query itself.
    return np.asarray(same & (np.arange(len(ids)) < np.arange(first, end)[:, None]))


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
