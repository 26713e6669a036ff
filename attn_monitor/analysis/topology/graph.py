"""From attention, which has a direction, to a weighted graph of tokens, which has none."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

Direction = Literal["max", "sum", "mean"]


def attention_graph(
    attn: Float[np.ndarray, "*batch token token"], *, weight: Direction = "max"
) -> Float[np.ndarray, "*batch token token"]:
    """Return the weights between tokens, symmetric, 0 to 1, diagonal 0.

    ``"max"``: an edge is as strong as its stronger direction (Kushnareva et al. 2021, as coded);
    ``"sum"``: both directions added (CS559), at most 1, so that 1 - w stays a filtration;
    ``"mean"``: half the sum, nothing cut off.

    Raises:
        ValueError: If the direction is unknown.
    """
    other = np.swapaxes(attn, -1, -2)
    if weight == "max":
        graph = np.maximum(attn, other)
    elif weight == "sum":
        graph = np.minimum(attn + other, 1)
    elif weight == "mean":
        graph = (attn + other) / 2
    else:
        raise ValueError(f"weight {weight!r} is unknown; choose one of {get_args(Direction)}")
    diagonal = np.arange(graph.shape[-1])
    graph[..., diagonal, diagonal] = 0
    return np.asarray(graph)


def most_attended(
    graph: Float[np.ndarray, "token token"], *, tokens: int
) -> Float[np.ndarray, "kept kept"]:
    """Return the graph of the tokens with the largest total weight, in their old order.

    Equal totals keep the earlier token, so that the answer does not depend on the machine.
    """
    if len(graph) <= tokens:
        return graph
    kept = np.sort(np.argsort(-graph.sum(axis=0), kind="stable")[:tokens])
    return np.asarray(graph[np.ix_(kept, kept)])
