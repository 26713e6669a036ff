"""The five patterns of SANVis, Figure 3, recognised and scored."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.position import at_itself, following, previous
from attn_monitor.analysis.metrics.tally import tally
from attn_monitor.core.maps import Maps

Pattern = Literal["self", "previous", "next", "one word", "block"]
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)

_LONGEST_BLOCK = 32


def pattern_scores(maps: Maps) -> Float[np.ndarray, "head pattern"]:
    """Return the share of attention that each pattern explains, columns as in ``PATTERNS``.

    0 to 1; a planted pattern scores 1 and an even spread about 1/n. ``self``, ``previous`` and
    ``next`` are means over the queries that have such a key; ``one word`` is the largest column
    mean; ``block`` cuts the sentence into consecutive groups, each looking at one word inside it,
    in the best possible way. For cross-attention only ``one word`` is defined, the others are
    NaN. To judge a head, average over sentences first.
    """
    one_word = (tally(maps).received / maps.queries).max(axis=-1)
    if maps.cross:
        block = np.full(len(maps.attn), np.nan)
    else:
        block = np.array([_block_score(attn) for attn in maps.attn])
    columns = [at_itself(maps), previous(maps), following(maps), one_word, block]
    return np.stack(columns, axis=-1)


def name_patterns(
    scores: Float[np.ndarray, "head pattern"], *, least: float = 0.4
) -> tuple[Pattern | None, ...]:
    """Return the best pattern of every head, ``None`` where none explains ``least`` of it.

    On equal scores the earlier, simpler pattern wins.
    """
    comparable = np.where(np.isnan(scores), -np.inf, scores)
    best = comparable.argmax(axis=-1)
    return tuple(
        PATTERNS[choice] if row[choice] >= least else None
        for choice, row in zip(best.tolist(), comparable, strict=True)
    )


def _block_score(attn: Float[np.ndarray, "query key"]) -> float:
    """Return the attention explained by the best cut into blocks, as a share of all of it.

    A block has at least two words and there are at least two blocks: otherwise a diagonal would
    be blocks of one and a vertical bar a block of all. Dynamic programming over block ends.
    """
    tokens = len(attn)
    if not np.isfinite(attn).all():
        return float("nan")
    if tokens < 4:  # noqa: PLR2004  # two blocks of two words
        return 0.0
    longest = min(tokens - 2, _LONGEST_BLOCK)
    received = np.concatenate([np.zeros((1, tokens)), attn.cumsum(axis=0)])
    best = np.full(tokens + 1, -np.inf)
    best[0] = 0.0
    for end in range(2, tokens + 1):
        for start in range(max(0, end - longest), end - 1):
            if best[start] > -np.inf:
                gain = (received[end, start:end] - received[start, start:end]).max()
                best[end] = max(best[end], best[start] + gain)
    return float(best[tokens] / tokens)
