"""Flat layouts of hand-written attention, brought to ``[sentence, head, token, ...]``."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Final

from torch import Tensor

from attn_monitor.capture.modules import ModuleStack
from attn_monitor.capture.moves import code_of
from attn_monitor.capture.origins import coordinate, reduced

_MATRIX: Final = 2
_STACKED: Final = 3


def head_count(
    weights: Tensor, shape: tuple[int, ...] | None, modules: ModuleStack, asking: Tensor
) -> int:
    """Return how many heads a stack of attention matrices holds.

    Args:
        weights: ``[query, key]``, ``[sentence * head, query, key]`` or with separate axes.
        shape: The last shape with four or more axes that the scores had on their way.
        modules: Says what the running modules declare, where nothing else tells.
        asking: The queries or keys, ``[sentence * head, token, d_head]`` likewise.
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
    return _seen_heads(asking, stacked) or modules.heads_of(stacked)


def _seen_heads(asking: Tensor, stacked: int) -> int | None:
    """Return how many maps one after the other are about the same tokens of the batch.

    ``None`` where it is not known whose tokens they are, or where those of a sentence do not lie
    one after the other.
    """
    code = code_of(asking)
    if code is None or asking.dim() != _STACKED or asking.shape[0] != stacked:
        return None
    tokens = reduced(code, [-1], lenient=True)[..., 0]
    if not bool((coordinate(tokens, 0) >= 0).any(dim=1).all()):
        return None
    rows = [tuple(row) for row in tokens.tolist()]
    lengths = [len(list(run)) for _, run in groupby(rows)]
    alike = len(set(lengths)) == 1 and len(set(rows)) == len(lengths)
    return lengths[0] if alike else None


def with_heads(tensor: Tensor, heads: int) -> Tensor:
    """Return ``[sentence, head, token, ...]`` from a matrix or a stack of matrices."""
    if tensor.dim() == _MATRIX:
        return tensor[None, None]
    if tensor.dim() == _STACKED:
        return tensor.reshape(tensor.shape[0] // heads, heads, *tensor.shape[1:])
    return tensor.reshape(tensor.shape[0], heads, *tensor.shape[-2:])
