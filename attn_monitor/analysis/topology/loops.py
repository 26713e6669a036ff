"""Dimensions 1 and 2: loops and cavities of the flag complex, where all triangles are filled."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.topology.bars import Bars
from attn_monitor.analysis.topology.graph import most_attended
from attn_monitor.analysis.topology.outcome import NotComputed

CUT = 0.95
TOKEN_CAP = 128
CAVITY_CAP = 32


def loop_bars(
    graph: Float[np.ndarray, "token token"], *, cut: float = CUT, cap: int = TOKEN_CAP
) -> Bars:
    """Return the loops that open and close while weaker and weaker edges enter.

    Flag complex of the filtration 1 - w up to ``cut``; loops still open there are closed there
    and counted. Weights under 1 - ``cut`` are noise, and without the cut the complex is one
    filled simplex of all triples of tokens, minutes for a long sentence.

    Args:
        graph: Symmetric weights, 0 to 1.
        cut: Where the filtration stops, in units of 1 - w.
        cap: Of a longer sentence only so many most attended tokens take part; the result says
            how many were left out.

    Raises:
        ValueError: If a weight is not finite.
    """
    kept = most_attended(graph, tokens=cap)
    return _bars(kept, dimension=1, cut=cut, left_out=len(graph) - len(kept))


def cavity_bars(
    graph: Float[np.ndarray, "token token"], *, cut: float = CUT, cap: int = CAVITY_CAP
) -> Bars | NotComputed:
    """Return the hollow spaces, dimension 2, of a small graph; arguments as :func:`loop_bars`."""
    if len(graph) > cap:
        return NotComputed(
            reason=f"cavities not computed: {len(graph)} tokens are more than the limit of {cap}"
        )
    return _bars(graph, dimension=2, cut=cut, left_out=0)


def refuse_broken(graph: Float[np.ndarray, "token token"]) -> None:
    """Raise if a weight is NaN or infinite: gudhi would leave the edge out and find nothing.

    Raises:
        ValueError: If a weight is not finite.
    """
    broken = int((~np.isfinite(graph)).any(axis=1).sum())
    if broken:
        raise ValueError(
            f"{broken} of {len(graph)} tokens have weights that are not finite: the head diverged "
            "at this step, look at its logits"
        )


def _bars(
    graph: Float[np.ndarray, "token token"], *, dimension: int, cut: float, left_out: int
) -> Bars:
    refuse_broken(graph)
    import gudhi  # noqa: PLC0415  # 0.2 s that TensorBoard's start must not pay

    distance = 1.0 - graph.astype(float)
    np.fill_diagonal(distance, 0)
    complex_ = gudhi.RipsComplex(distance_matrix=distance, max_edge_length=cut)
    tree = complex_.create_simplex_tree(max_dimension=dimension + 1)
    # gudhi leaves out the top dimension, and a graph without triangles has loops on top.
    tree.compute_persistence(persistence_dim_max=tree.dimension() <= dimension)
    found = np.asarray(tree.persistence_intervals_in_dimension(dimension), dtype=float)
    found = found.reshape(-1, 2)
    still_open = np.isinf(found[:, 1])
    closed = np.minimum(found, cut)
    closed = closed[closed[:, 1] > closed[:, 0]]
    return Bars(
        dimension=dimension,
        intervals=np.asarray(closed[np.lexsort((closed[:, 1], closed[:, 0]))]),
        cut=cut,
        open_bars=int(still_open.sum()),
        tokens=len(graph),
        left_out=left_out,
    )
