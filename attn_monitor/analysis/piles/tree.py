"""The merge tree of a layer: made once, cut anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

Linkage = Literal["average", "complete", "single", "ward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PileTree:
    """How heads merge into piles as the distance grows.

    Attributes:
        heads: Number of heads.
        linkage: How the distance between two piles is measured.
        merges: One row per merge, as scipy's linkage matrix: the two piles, their distance, the
            number of heads in the new one. Heads are piles 0 to heads - 1, row ``m`` makes pile
            ``heads + m``; distances ascend. To cut at a height, do all merges up to it.
        cophenetic: Correlation of the tree's distances with the real ones, how faithful the tree
            is; NaN for fewer than three heads.
    """

    heads: int
    linkage: Linkage
    merges: Float[np.ndarray, "merge 4"]
    cophenetic: float


def pile_tree(
    distances: Float[np.ndarray, "head head"], *, linkage: Linkage = "average"
) -> PileTree:
    """Return the merge tree of heads at the given distances.

    Average linkage is the most faithful on BERT (cophenetic correlation 0.82; complete 0.79,
    single 0.76, Ward 0.74); Ward's piles repeat best on other sentences. SANVis names none.

    Raises:
        ValueError: If the linkage is unknown, the distances are not symmetric, or a head has
            none because its weights are not finite.
    """
    if linkage not in get_args(Linkage):
        raise ValueError(f"linkage {linkage!r} is unknown; choose one of {get_args(Linkage)}")
    heads = len(distances)
    if heads == 1:
        nothing = np.empty((0, 4))
        return PileTree(heads=1, linkage=linkage, merges=nothing, cophenetic=float("nan"))
    apart = np.isfinite(distances) & ~np.eye(heads, dtype=bool)
    broken = np.flatnonzero(~apart.any(axis=1)).tolist()
    if broken:
        raise ValueError(
            f"heads {broken} have no finite distance to any other: their weights are not finite; "
            "pile the heads that are left"
        )
    condensed = squareform(np.asarray(distances, dtype=float))
    merges = hierarchy.linkage(condensed, method=linkage)
    return PileTree(
        heads=heads,
        linkage=linkage,
        merges=merges,
        cophenetic=_correlation(hierarchy.cophenet(merges), condensed),
    )


def cut(tree: PileTree, *, height: float) -> Int[np.ndarray, " head"]:
    """Return the pile of every head when all merges up to ``height`` are done.

    Piles are numbered by their first head. Height 0 leaves heads alone that differ at all; a
    height from the last merge on makes a single pile.
    """
    if tree.heads == 1:
        return np.zeros(1, dtype=int)
    return number_by_first(hierarchy.fcluster(tree.merges, t=height, criterion="distance"))


def number_by_first(labels: Int[np.ndarray, " item"]) -> Int[np.ndarray, " item"]:
    """Return the same groups, numbered 0, 1, ... in the order of their first member."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(first.argsort().argsort()[inverse])


def _correlation(first: Float[np.ndarray, " pair"], second: Float[np.ndarray, " pair"]) -> float:
    if len(first) < 2 or first.std() == 0 or second.std() == 0:  # noqa: PLR2004  # no spread
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
