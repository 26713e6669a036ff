"""Flat layouts of hand-written attention, brought to ``[sentence, head, token, ...]``."""

from __future__ import annotations

import math
from typing import Final

from torch import Tensor

from attn_monitor.capture.modules import ModuleStack

_MATRIX: Final = 2
_STACKED: Final = 3


def head_count(weights: Tensor, shape: tuple[int, ...] | None, modules: ModuleStack) -> int:
    """Return how many heads a stack of attention matrices holds.

    Args:
        weights: ``[query, key]``, ``[sentence * head, query, key]`` or with separate axes.
        shape: The last shape with four or more axes that the scores had on their way.
        modules: Says what the running modules declare, where no shape tells.
    """
    if weights.dim() > _STACKED:
        return math.prod(weights.shape[1:-2])
    if weights.dim() == _MATRIX:
        return 1
    stacked = weights.shape[0]
    if shape is not None and math.prod(shape[:-2]) == stacked:
        same_matrices = set(shape[-2:]) == set(weights.shape[-2:])
        if same_matrices:
            return math.prod(shape[1:-2])
    return modules.heads_of(stacked)


def with_heads(tensor: Tensor, heads: int) -> Tensor:
    """Return ``[sentence, head, token, ...]`` from a matrix or a stack of matrices."""
    if tensor.dim() == _MATRIX:
        return tensor[None, None]
    if tensor.dim() == _STACKED:
        return tensor.reshape(tensor.shape[0] // heads, heads, *tensor.shape[1:])
    return tensor.reshape(tensor.shape[0], heads, *tensor.shape[-2:])
