"""How nearly a graph falls apart, and into which groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True, slots=True, kw_only=True)
class Communities:
    """Groups of tokens with more weight inside than chance would put there.

    Attributes:
        labels: The group of every token, numbered by its first token.
        modularity: -0.5 to 1; above about 0.3 the groups are real (Newman and Girvan 2004).
    """

    labels: Int[np.ndarray, " token"]
    modularity: float


def laplacian_eigenvalues(
    graph: Float[np.ndarray, "token token"], *, normalised: bool = True
) -> Float[np.ndarray, " token"]:
    """Return the spectrum of ``I - D^-1/2 W D^-1/2``, or of the plain ``D - W``, ascending.

    As many eigenvalues are 0 as the graph has pieces (Chung 1997).
    """
    degree = graph.sum(axis=1)
    laplacian = np.diag(degree) - graph
    if normalised:
        # A token without edges keeps a row of zeros: it is a piece of its own.
        scale = np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
        laplacian = scale[:, None] * laplacian * scale[None, :]
    return np.asarray(np.maximum(np.linalg.eigvalsh(laplacian), 0.0))  # rounding dips below 0


def fiedler(graph: Float[np.ndarray, "token token"], *, normalised: bool = True) -> float:
    """Return the algebraic connectivity, the second smallest eigenvalue of the Laplacian.

    0 if the graph is in pieces, small if it is about to be; at most n / (n - 1) for the
    normalised Laplacian ``I - D^-1/2 W D^-1/2`` and n for the plain one ``D - W``. NaN for a
    single token (Fiedler 1973; Chung 1997).
    """
    if len(graph) == 1:
        return float("nan")
    return float(laplacian_eigenvalues(graph, normalised=normalised)[1])


def communities(
    graph: Float[np.ndarray, "token token"], *, least: float = 0.1, seed: int = 0
) -> Communities:
    """Return the groups that Louvain's method finds among edges of at least a weight.

    Seeded: the same graph gives the same groups (Blondel et al. 2008). Without any edge every
    token is alone and the modularity is NaN.
    """
    import networkx as nx  # noqa: PLC0415  # 0.2 s that TensorBoard's start must not pay

    linked = nx.from_numpy_array(np.where(graph >= least, graph, 0.0))
    if linked.number_of_edges() == 0:
        return Communities(labels=np.arange(len(graph)), modularity=float("nan"))
    groups = sorted(nx.community.louvain_communities(linked, seed=seed), key=min)
    labels = np.empty(len(graph), dtype=int)
    for number, group in enumerate(groups):
        labels[list(group)] = number
    return Communities(labels=labels, modularity=float(nx.community.modularity(linked, groups)))
