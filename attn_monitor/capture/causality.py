"""Telling causal attention from its weights: exact zeros above the diagonal."""

from __future__ import annotations

from typing import Final

from torch import Tensor

from attn_monitor.capture.rules import WeightRule
from attn_monitor.capture.selection import Selection

_SENTENCES: Final = 4


def looks_causal(rule: WeightRule, shape: tuple[int, int, int, int]) -> bool:
    """Return whether no sampled query puts weight on a key after itself.

    Rows that spread evenly over *all* keys tell nothing: that is what a softmax does with a row
    whose keys are all masked by a large negative number. At least one telling row is needed.

    Args:
        rule: Gives the weights of the sampled rows.
        shape: Sentences, heads, queries, keys.
    """
    sentences, _, queries, keys = shape
    offset = keys - queries  # with a cache of earlier keys, query 0 stands at key `offset`
    if queries < 2 or offset < 0:  # noqa: PLR2004  # one row has nothing after it
        return False
    rows = sorted({0, queries // 4, queries // 2, (3 * queries) // 4, queries - 2})
    chosen = range(0, sentences, max(1, sentences // _SENTENCES))
    weights = rule.weights(Selection(sentences=list(chosen), heads=slice(0, 1), rows=rows))
    told = False
    for position, row in enumerate(rows):
        telling = weights[:, 0, position][_is_telling(weights[:, 0, position])]
        if bool((telling[:, row + offset + 1 :] != 0).any()):
            return False
        told = told or len(telling) > 0
    return told


def _is_telling(rows: Tensor) -> Tensor:
    """Return which rows are neither empty nor spread evenly over every key."""
    spread = rows.amax(-1) - rows.amin(-1)
    return spread > 1e-6  # noqa: PLR2004  # well above float32 rounding of 1 / keys
