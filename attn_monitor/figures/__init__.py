"""Matplotlib pictures for TensorBoard's Images tab, notebooks and papers."""

from attn_monitor.figures.head_grid import head_grid, sorted_heads

__all__ = ["head_grid", "sorted_heads"]
