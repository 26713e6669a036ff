"""Where a head looks, seen from the word that asks: before it, at it, after it, how far.

For encoder-decoder attention "previous" has no meaning, because queries and keys are different
tokens: the shares are NaN. Offset and distance stay defined there, on positions scaled to 0..1
(for equal lengths the same number), so that 0 means "as far into the source as into the target".
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.registry import metric
from attn_monitor.analysis.metrics.shared import undefined
from attn_monitor.analysis.metrics.tally import tally
from attn_monitor.core.maps import Maps

_BAND = 0.1  # half the width of "straight across", as a share of the key sentence
_SANVIS = "Park et al. 2019 (SANVis), section 5.1"
_VOITA = "Voita et al. 2019, section 5.1; Clark et al. 2019, section 3.1"


@metric(
    "left",
    title="Before itself",
    unit="share of attention",
    low=0,
    high=1,
    reading="1: every word looks only at words before it.",
    source=_SANVIS,
    by_head=True,
)
def left(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the share of attention that goes to earlier tokens; NaN for cross-attention.

    SANVis calls this the upper triangle, because it draws the first query at the bottom.
    """
    return undefined(maps) if maps.cross else tally(maps).positions[:, 0]


@metric(
    "self",
    title="At itself",
    unit="share of attention",
    low=0,
    high=1,
    reading="1: every word looks only at itself, a clean diagonal.",
    source=_SANVIS,
    by_head=True,
)
def at_itself(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the share of attention on the diagonal; NaN for cross-attention."""
    return undefined(maps) if maps.cross else tally(maps).positions[:, 1]


@metric(
    "right",
    title="After itself",
    unit="share of attention",
    low=0,
    high=1,
    reading="1: every word looks only at words after it; always 0 under a causal mask.",
    source=_SANVIS,
    by_head=True,
)
def right(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the share of attention that goes to later tokens; NaN for cross-attention."""
    return undefined(maps) if maps.cross else tally(maps).positions[:, 2]


@metric(
    "lean",
    title="Before or after",
    unit="share after - share before",
    low=-1,
    high=1,
    reading="\u22121: every word looks back; 0: neither way; 1: every word looks ahead.",
    source=f"{_SANVIS}, the position sort",
    by_head=True,
)
def lean(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return share after minus share before, -1 to 1; NaN for cross-attention.

    SANVis sorts by "whether the attention goes mainly toward the left, right, or the current
    location". On BERT this key runs from the previous-word head to the next-word head, where
    :func:`offset` puts heads first that look at [CLS], because that is far away.
    """
    return right(maps) - left(maps)


@metric(
    "offset",
    title="Offset",
    unit="share of the sentence",
    low=-1,
    high=1,
    reading="Below 0: looks back; 0: around itself; above 0: looks ahead.",
    source=f"{_SANVIS}, caption of Figure 4",
    by_head=True,
)
def offset(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean signed distance from query to key, ``mean_i sum_j A_ij (j - i) / (n - 1)``.

    Minus 1 to 1. NaN where a single query and key leave no distance.
    """
    return undefined(maps) if max(maps.queries, maps.keys) == 1 else tally(maps).positions[:, 3]


@metric(
    "distance",
    title="Distance",
    unit="share of the sentence",
    low=0,
    high=1,
    reading="0: looks at its own place; high: looks far away.",
    source="Vig and Belinkov 2019, section 4.2 (scaled by n - 1)",
    by_head=True,
)
def distance(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean distance between query and key, 0 to 1; NaN as for :func:`offset`."""
    return undefined(maps) if max(maps.queries, maps.keys) == 1 else tally(maps).positions[:, 4]


@metric(
    "prev",
    title="Previous word",
    unit="share of attention",
    low=0,
    high=1,
    reading="1: every word looks at the word just before it.",
    direction="descending",
    source=_VOITA,
    by_head=True,
)
def previous(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean attention to the token before, over queries that have one; NaN for cross."""
    return undefined(maps) if maps.cross else tally(maps).previous


@metric(
    "next",
    title="Next word",
    unit="share of attention",
    low=0,
    high=1,
    reading="1: every word looks at the word just after it; always 0 under a causal mask.",
    direction="descending",
    source=_VOITA,
    by_head=True,
)
def following(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean attention to the token after, over queries that have one; NaN for cross."""
    return undefined(maps) if maps.cross else tally(maps).following


@metric(
    "diagonal",
    title="Diagonal share",
    unit="share of attention",
    low=0,
    high=1,
    reading="1: every target word looks straight across, at its own place in the source.",
    direction="descending",
    source="Park et al. 2019 (SANVis), section 6 (the picture); the band: attn_monitor",
    by_head=True,
)
def diagonal(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the share of encoder-decoder attention close to the diagonal, 0 to 1.

    Both sentences are scaled to 0..1; close is within a tenth of the source, and never less than
    one token: ``mean_i sum_j A_ij [|j / (K - 1) - i / (Q - 1)| <= max(0.1, 1 / (K - 1))]``. Where
    source and target have much the same word order, it rises as the model learns who translates
    whom. NaN for self-attention, whose diagonal is ``prev``, ``self`` and ``next``, and where
    either side is a single token.
    """
    if not maps.cross or min(maps.queries, maps.keys) == 1:
        return undefined(maps)
    key, query = np.linspace(0, 1, maps.keys), np.linspace(0, 1, maps.queries)
    total = np.zeros(maps.heads)
    for first, block in maps.blocks():
        far = np.abs(key - query[first : first + block.shape[1], None])
        # Rounding must not decide whether the neighbour is in: 1e-9 is far below one token.
        band = far <= max(_BAND, 1 / (maps.keys - 1)) + 1e-9
        total += np.einsum("hqk,qk->h", block, band.astype(block.dtype))
    return total / maps.queries
