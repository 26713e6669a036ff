"""Which links of an attention graph are drawn, and how strong they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

Norm = Literal["uniform", "absolute", "minmax", "row", "rank", "log"]
_DECADES = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneEdges:
    """The links drawn in one plane, weakest first.

    Attributes:
        pairs: The two tokens of every link.
        strength: How strong each link looks, 0 to 1.
        total: How many links the plane has in all.
        share: How much of the weight of all links is drawn.
    """

    pairs: Int[np.ndarray, "link 2"]
    strength: Float[np.ndarray, " link"]
    total: int
    share: float


def link_weights(
    attn: Float[np.ndarray, "token token"], *, norm: Norm = "uniform"
) -> Float[np.ndarray, "token token"]:
    """Return how strong the link between any two tokens looks, 0 to 1, both directions added.

    Raw sums of n tokens are about 2/n each, which is why a picture of them is grey all over
    (CS559, results). The ways out: ``"uniform"``, in multiples of an even spread, 1 at four
    times; ``"minmax"``, from the weakest link to the strongest; ``"row"``, as a share of the
    strongest link of either token; ``"rank"``; ``"log"``, three decades. ``"absolute"`` is the
    paper's: the sum itself, at most 1.

    Raises:
        ValueError: If the norm is unknown.
    """
    if norm not in get_args(Norm):
        raise ValueError(f"norm {norm!r} is unknown; choose one of {get_args(Norm)}")
    both = np.asarray(attn + attn.T, dtype=float)
    np.fill_diagonal(both, 0)
    tokens = len(both)
    linked = both[~np.eye(tokens, dtype=bool)]
    if tokens == 1 or linked.max() == 0:
        return np.zeros_like(both)
    if norm == "absolute":
        strength = both
    elif norm == "uniform":
        strength = both * tokens / 8  # 2/n is even, 8/n four times that
    elif norm == "minmax":
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
    strength = np.clip(strength, 0, 1)
    np.fill_diagonal(strength, 0)
    return np.asarray(strength)


def strongest_links(
    attn: Float[np.ndarray, "token token"],
    *,
    norm: Norm = "uniform",
    per_token: float | int = 1.0,
    without: Sequence[int] = (),
) -> PlaneEdges:
    """Return the strongest links of a plane: at most so many per token, none without weight.

    Args:
        attn: The weights of one head, or a mean over heads.
        norm: How strength is measured.
        per_token: How many links to draw, per token.
        without: Tokens whose links are left out: [CLS] and [SEP] carry most weight and little
            news, and with them every plane looks like the same star.
    """
    tokens = len(attn)
    weight = attn + attn.T
    strength = link_weights(attn, norm=norm)
    first, second = np.triu_indices(tokens, 1)
    allowed = ~(np.isin(first, without) | np.isin(second, without))
    values = np.where(allowed, weight[first, second], 0.0)
    most = round(per_token * tokens)
    chosen = np.argsort(-values, kind="stable")[:most]
    chosen = chosen[values[chosen] > 0][::-1]
    every = float(weight[first, second].sum())
    return PlaneEdges(
        pairs=np.stack([first[chosen], second[chosen]], axis=-1),
        strength=np.asarray(strength[first[chosen], second[chosen]]),
        total=len(first),
        share=float(values[chosen].sum()) / every if every else 0.0,
    )
