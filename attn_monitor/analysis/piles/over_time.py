"""Piling the steps of one head: a pile boundary marks where the head changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.methods.pairs import row_jsd

Sentences = Sequence[np.ndarray]
"""One head's maps on every probe sentence at one step, each of shape [query, key]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPile:
    """Consecutive recorded steps at which a head did the same.

    Attributes:
        first: Index of the first step in the pile.
        last: Index of the last step in the pile.
        attn: The mean map of the pile on every sentence.
    """

    first: int
    last: int
    attn: tuple[Float[np.ndarray, "_ _"], ...]


def step_piles(steps: Sequence[Sentences], *, cut: float) -> tuple[StepPile, ...]:
    """Return the steps of one head in piles, earliest first.

    A step joins the pile before it while its mean row divergence (bits, 0 to 1) from the pile's
    mean map is at most ``cut``; otherwise it starts a new pile. Small MultiPiles (Bach et al.
    2015) leaves the choice of boundaries to the user: this is the automatic start.

    Raises:
        ValueError: If the steps do not hold the same sentences.
    """
    piles: list[StepPile] = []
    for place, sentences in enumerate(steps):
        if piles and _divergence(piles[-1].attn, sentences) <= cut:
            pile = piles[-1]
            size = pile.last - pile.first + 1
            mean = tuple(
                old + (new - old) / (size + 1)
                for old, new in zip(pile.attn, sentences, strict=True)
            )
            piles[-1] = StepPile(first=pile.first, last=place, attn=mean)
        else:
            piles.append(StepPile(first=place, last=place, attn=tuple(sentences)))
    return tuple(piles)


def step_changes(steps: Sequence[Sentences]) -> Float[np.ndarray, " change"]:
    """Return how much a head changed from each step to the next, bits, 0 to 1.

    Mean row divergence, averaged within each sentence and then over sentences.

    Raises:
        ValueError: If the steps do not hold the same sentences.
    """
    return np.array(
        [_divergence(before, now) for before, now in pairwise(steps)],
        dtype=float,
    )


def _divergence(before: Sentences, now: Sentences) -> float:
    if [each.shape for each in before] != [each.shape for each in now]:
        raise ValueError(
            f"a step holds {len(now)} sentences where the one before held {len(before)}, or other "
            "lengths; pile steps of the same probes"
        )
    pairs = zip(before, now, strict=True)
    return float(np.mean([row_jsd(first, second).mean() for first, second in pairs]))
