"""Piling the steps of one head: a pile boundary marks where the head changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.methods.pairs import head_change
from attn_monitor.core.arrays import mean_of_defined
from attn_monitor.core.maps import Maps

Sentences = Sequence[Maps]
"""One head's maps on every probe sentence at one step: each holds that head alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPile:
    """Consecutive recorded steps at which a head did the same.

    Attributes:
        first: Index of the first step in the pile.
        last: Index of the last step in the pile.
        maps: The mean map of the pile on every sentence.
    """

    first: int
    last: int
    maps: tuple[Maps, ...]


def step_piles(steps: Sequence[Sentences], *, cut: float) -> tuple[StepPile, ...]:
    """Return the steps of one head in piles, earliest first.

    A step joins the pile before it while it differs from the pile's mean map by at most ``cut``
    (:func:`~attn_monitor.analysis.methods.pairs.head_change`, 0 to 1); otherwise it starts a new
    pile, as does one that cannot be compared. Small MultiPiles (Bach et al. 2015) leaves the
    choice of boundaries to the user: this is the automatic start.

    Raises:
        ValueError: If the steps do not hold the same sentences.
    """
    piles: list[StepPile] = []
    for place, sentences in enumerate(steps):
        if piles and _change(piles[-1].maps, sentences) <= cut:
            pile = piles[-1]
            size = pile.last - pile.first + 1
            mean = tuple(
                replace(old, attn=old.attn + (new.attn - old.attn) / (size + 1))
                for old, new in zip(pile.maps, sentences, strict=True)
            )
            piles[-1] = StepPile(first=pile.first, last=place, maps=mean)
        else:
            piles.append(StepPile(first=place, last=place, maps=tuple(sentences)))
    return tuple(piles)


def step_changes(steps: Sequence[Sentences]) -> Float[np.ndarray, " change"]:
    """Return how much a head changed from each step to the next, 0 to 1.

    :func:`~attn_monitor.analysis.methods.pairs.head_change` of every sentence, then the mean over
    the sentences where it is defined; NaN where it is in none.

    Raises:
        ValueError: If the steps do not hold the same sentences.
    """
    return np.array(
        [_change(before, now) for before, now in pairwise(steps)],
        dtype=float,
    )


def _change(before: Sentences, now: Sentences) -> float:
    if [each.shape for each in before] != [each.shape for each in now]:
        raise ValueError(
            f"a step holds {len(now)} sentences where the one before held {len(before)}, or other "
            "lengths; pile steps of the same probes"
        )
    each = [head_change(first, second)[0] for first, second in zip(before, now, strict=True)]
    return float(mean_of_defined(np.array(each, dtype=float), axes=(0,)))
