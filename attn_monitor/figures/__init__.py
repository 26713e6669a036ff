"""Matplotlib pictures for TensorBoard's Images tab, notebooks and papers.

The 3-D graph is in :mod:`attn_monitor.figures.planes`: Matplotlib's 3-D axes import pyplot, which
has no place in a training process.
"""

from attn_monitor.figures.betti import betti_figure
from attn_monitor.figures.head_grid import head_grid, sorted_heads
from attn_monitor.figures.lens_sheet import lens_sheet
from attn_monitor.figures.pile_sheet import pile_sheet

__all__ = [
    "betti_figure",
    "head_grid",
    "lens_sheet",
    "pile_sheet",
    "sorted_heads",
]
