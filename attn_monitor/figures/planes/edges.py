"""How strong the links of an attention graph look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from attn_monitor.core.errors import ConfigurationError

Norm = Literal["uniform", "raw", "layer", "row", "rank", "log"]
Colour = Literal["weight", "head", "change"]
Head = int | Literal["mean", "max", "all"]
_DECADES = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneEdges:
    """The links drawn in one plane, weakest first.

    Attributes:
        pairs: The two nodes of every link.
        weight: Attention in both directions, summed.
        strength: How strong each link looks, 0 to 1.
        change: Weight now less weight before; 0 where nothing is compared.
        head: The head that each link is drawn for, or the strongest one of a mean or maximum.
        total: How many links the plane has in all.
        share: How much of the weight of all links is drawn.
    """

    pairs: Int[np.ndarray, "link 2"]
    weight: Float[np.ndarray, " link"]
    strength: Float[np.ndarray, " link"]
    change: Float[np.ndarray, " link"]
    head: Int[np.ndarray, " link"]
    total: int
    share: float


def link_weights(
    attn: Float[np.ndarray, "token token"],
    *,
    norm: Norm = "uniform",
    even: Float[np.ndarray, "token token"] | None = None,
) -> Float[np.ndarray, "token token"]:
    """Return how strong the link between any two tokens looks, 0 to 1, both directions added.

    Raw sums of n tokens are about 2/n each, which is why a picture of them is grey all over
    (CS559, results). The ways out: ``"uniform"``, in multiples of an even spread, 1 at four
    times; ``"layer"``, from the weakest link to the strongest; ``"row"``, as a share of the
    strongest link of either token; ``"rank"``; ``"log"``, three decades. ``"raw"`` is the
    paper's: the sum itself, at most 1.

    Args:
        attn: Weights, rows ask; 0 where no attention is possible.
        norm: How strength is measured.
        even: Both directions of evenly spread attention; 2/n everywhere by default.

    Raises:
        ConfigurationError: The norm is unknown.
    """
    if norm not in get_args(Norm):
        raise ConfigurationError(f"norm {norm!r} is unknown; choose one of {get_args(Norm)}")
    both = np.asarray(attn + attn.T, dtype=float)
    np.fill_diagonal(both, 0)
    tokens = len(both)
    possible = ~np.eye(tokens, dtype=bool)
    if even is not None:
        possible &= even > 0
    linked = both[possible]
    if not linked.size or linked.max() <= 0:
        return np.zeros_like(both)
    if norm == "raw":
        strength = both
    elif norm == "uniform":
        fair = np.full_like(both, 2 / tokens) if even is None else even
        strength = both / np.where(possible, 4 * fair, np.inf)
    elif norm == "layer":
        spread = linked.max() - linked.min()
        strength = (both - linked.min()) / spread if spread > 0 else np.ones_like(both)
    elif norm == "row":
        strongest = both.max(axis=1)
        strength = both / np.maximum(np.minimum.outer(strongest, strongest), 1e-12)
    elif norm == "rank":
        strength = np.searchsorted(np.sort(linked), both, side="right") / len(linked)
    else:
        safe = np.maximum(both, linked.max() * 10**-_DECADES)
        strength = 1 + np.log10(safe / linked.max()) / _DECADES
    return np.where(possible, np.clip(strength, 0, 1), 0.0)
