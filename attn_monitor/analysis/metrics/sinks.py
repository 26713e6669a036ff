"""How much attention goes where no news is: to the first token, special ones, or none at all."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.metrics.registry import metric
from attn_monitor.analysis.metrics.tally import tally
from attn_monitor.core.maps import Maps

_ROUNDING = 1e-3  # what half-precision weights may lack of 1 without any attention missing


@metric(
    "sink",
    title="First token",
    unit="share of attention",
    low=0,
    high=1,
    reading="High: the head parks its attention on the first token, a sink.",
    direction="descending",
    source="Xiao et al. 2023 (attention sinks), section 3",
    by_head=True,
)
def sink(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean attention to the first key, of each document its own, 0 to 1."""
    first = list(maps.documents or (0,))
    return np.asarray(tally(maps).received[:, first].sum(axis=-1) / maps.queries)


@metric(
    "special",
    title="Special tokens",
    unit="share of attention",
    low=0,
    high=1,
    reading="High: the head looks at [CLS], [SEP] and the like: often a way to do nothing.",
    direction="descending",
    source="Clark et al. 2019, section 3.2",
)
def special(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean attention to all special keys together, 0 to 1; 0 where there are none."""
    return np.asarray(tally(maps).received[:, list(maps.special)].sum(axis=-1) / maps.queries)


@metric(
    "outside",
    title="Outside the sentence",
    unit="share of attention",
    low=0,
    high=1,
    reading="Above 0: attention goes to padding, or to a sink that is no token.",
    direction="descending",
    source="attn_monitor",
    by_head=True,
)
def outside(maps: Maps) -> Float[np.ndarray, " head"]:
    """Return the mean attention that reaches no key of the sentence, 0 to 1.

    Maps are cropped to valid tokens, and what is missing from a row's sum went elsewhere: to
    padding that no mask hides, a bug; or to a learned sink beside the keys, which some models have.
    """
    missing = 1 - tally(maps).totals.mean(axis=-1)
    # NaN stays NaN.
    return np.asarray(np.where(missing < _ROUNDING, 0.0, missing))
