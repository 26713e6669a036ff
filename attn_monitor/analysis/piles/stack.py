"""What a pile shows: the average of its maps, and the numbers of its heads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pile:
    """Heads of a layer that do the same.

    Attributes:
        heads: Their numbers from 0, ascending: the badges.
        attn: The mean of their maps on one sentence; rows sum to 1.
    """

    heads: tuple[int, ...]
    attn: Float[np.ndarray, "query key"]


def stack_piles(
    attn: Float[np.ndarray, "head query key"], labels: Int[np.ndarray, " head"]
) -> tuple[Pile, ...]:
    """Return the piles of a layer on one sentence, in the order of their labels."""
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return tuple(
        Pile(heads=tuple(group.tolist()), attn=np.asarray(attn[group].mean(axis=0)))
        for group in groups
    )
