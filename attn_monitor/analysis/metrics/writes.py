"""What a head writes into the stream, and how large what it compares and moves is.

Weights alone do not say whether a head matters: one that looks hard at a token whose value is tiny
does nothing. The sizes come from the capture, in :class:`attn_monitor.core.maps.HeadSizes`.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.registry import metric
from attn_monitor.analysis.metrics.shared import undefined
from attn_monitor.core.maps import Maps

_KOBAYASHI: Final = "Kobayashi et al. 2020, section 3; Sandoval-Segura et al. 2026"
_DEHGHANI: Final = "Dehghani et al. 2023 (ViT-22B), section 2"
_Size = Literal["reads", "writes", "writes_share", "query", "key", "value", "logit_mean"]


@metric(
    "writes",
    title="Writes",
    unit="norm",
    low=0,
    reading="0: the head adds nothing, whatever it looks at. More is not more important: set "
    "importance= for that.",
    direction="descending",
    source=_KOBAYASHI,
)
def writes(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean over queries of ``|A V W_O|``, before mixing; NaN where W_O is unknown."""
    return _size(maps, "writes")


@metric(
    "writes_share",
    title="Writes, of the layer",
    unit="share of the layer",
    low=0,
    high=1,
    reading="1 / heads: as much as the others; near 0: the head sleeps.",
    direction="descending",
    source=_KOBAYASHI,
)
def writes_share(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return each head's share in the sum of ``writes`` over the layer."""
    return _size(maps, "writes_share")


@metric(
    "reads",
    title="Reads",
    unit="norm",
    low=0,
    reading="0: what the head looks at is empty or cancels out.",
    direction="descending",
    source=_KOBAYASHI,
)
def reads(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean over queries of ``|A V|``."""
    return _size(maps, "reads")


@metric(
    "query_norm",
    title="Query norm",
    unit="norm",
    low=0,
    reading="Growing while keys stay: queries drive the scores up.",
    direction="descending",
    source=_DEHGHANI,
)
def query_norm(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean norm of the queries, as they enter the product."""
    return _size(maps, "query")


@metric(
    "key_norm",
    title="Key norm",
    unit="norm",
    low=0,
    reading="Growing while queries stay: keys drive the scores up.",
    direction="descending",
    source=_DEHGHANI,
)
def key_norm(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean norm of the keys, as they enter the product."""
    return _size(maps, "key")


@metric(
    "value_norm",
    title="Value norm",
    unit="norm",
    low=0,
    reading="Near 0: whatever the head looks at, there is nothing to move.",
    direction="descending",
    source=_KOBAYASHI,
)
def value_norm(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean norm of the values."""
    return _size(maps, "value")


@metric(
    "logit_mean",
    title="Mean logit",
    unit="score before softmax",
    reading="Drifts without meaning: only differences within a row count. Beside the largest.",
    direction="descending",
    source=_DEHGHANI,
)
def logit_mean(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean score of all pairs with a weight above 0; NaN where the kernel hides it."""
    return _size(maps, "logit_mean")


def _size(maps: Maps, name: _Size) -> Float[np.ndarray, " head"]:
    return undefined(maps) if maps.sizes is None else np.asarray(getattr(maps.sizes, name))
