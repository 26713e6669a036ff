"""Telling causal attention from its weights: exact zeros above the diagonal."""

from __future__ import annotations

from typing import Final

from attn_monitor.capture.rules import WeightRule
from attn_monitor.capture.selection import Selection
from attn_monitor.core.arrays import evenly_spread

_SENTENCES: Final = 4


def looks_causal(rule: WeightRule, shape: tuple[int, int, int, int]) -> bool | None:
    """Return whether no sampled query puts weight on a key after itself; ``None`` if none tells.

    Rows that spread evenly over *all* keys tell nothing: that is what a softmax does with a row
    whose keys are all masked by a large negative number. Nor does a row that puts everything on
    one key, or nothing on its own: a saturated softmax leaves zeros everywhere, too.

    Args:
        rule: Gives the weights of the sampled rows.
        shape: Sentences, heads, queries, keys.
    """
    sentences, _, queries, keys = shape
    offset = keys - queries  # with a cache of earlier keys, query 0 stands at key `offset`
    if queries < 2 or offset < 0:  # noqa: PLR2004  # one row has nothing after it
        return None
    rows = sorted({0, queries // 4, queries // 2, (3 * queries) // 4, queries - 2})
    chosen = list(evenly_spread(sentences, _SENTENCES))
    weights = rule.weights(Selection(sentences=chosen, heads=slice(0, 1), rows=rows))
    alone = queries + offset == 2  # noqa: PLR2004  # the first of two sees only itself
    told = False
    for position, row in enumerate(rows):
        sampled = weights[:, 0, position]
        spread = sampled.amax(-1) - sampled.amin(-1) > 1e-6  # noqa: PLR2004  # rounding of 1 / keys
        if bool((sampled[spread][:, row + offset + 1 :] != 0).any()):
            return False
        several = (sampled != 0).sum(-1) > (0 if alone else 1)
        told |= bool((spread & several & (sampled[:, row + offset] != 0)).any())
    return True if told else None
