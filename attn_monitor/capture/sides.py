"""Queries and keys of attention that was put together: those of its pieces, where these are some.

Heads one by one stand beside each other, blocks of queries below each other. That they do is seen
by the weights: a piece's rows must be those of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor

from attn_monitor.capture.placed import Placed
from attn_monitor.capture.record import Record
from attn_monitor.capture.selection import Selection

_MOST_ELEMENTS: Final = 1 << 24  # more would be computed twice
_HEADS, _QUERIES = 1, 2
_BOUND: Final = 1e-4


class Sides(NamedTuple):
    """``[sentence, head, token, d_head]`` each, and before positions where that is known."""

    query: Tensor
    key: Tensor
    query_projected: Tensor | None
    key_projected: Tensor | None


def sides_of(pieces: Sequence[Record], rule: Placed) -> Sides | None:
    """Return the queries and keys of a map; ``None`` where the pieces' own cannot be laid out so.

    Args:
        pieces: The calls, in their order.
        rule: The weights of all of them in place.
    """
    whole = rule.shape
    if math.prod(whole) > _MOST_ELEMENTS:
        return None
    for axis in (_HEADS, _QUERIES):
        shapes = [list(piece.shape) for piece in pieces]
        sizes = [shape.pop(axis) for shape in shapes]
        rest = [size for at, size in enumerate(whole) if at != axis]
        if sum(sizes) != whole[axis] or any(shape != rest for shape in shapes):
            continue
        keys = [piece.key for piece in pieces]
        alike = axis == _HEADS or all(torch.equal(keys[0], key) for key in keys[1:])
        if not alike or not _are_rows(pieces, sizes, rule, axis):
            continue
        earlier = _joined([piece.query_projected for piece in pieces], axis)
        earlier_keys = [piece.key_projected for piece in pieces]
        return Sides(
            query=torch.cat([piece.query for piece in pieces], axis),
            key=torch.cat(keys, axis) if axis == _HEADS else keys[0],
            query_projected=earlier,
            key_projected=_joined(earlier_keys, axis) if axis == _HEADS else earlier_keys[0],
        )
    return None


def _are_rows(pieces: Sequence[Record], sizes: Sequence[int], rule: Placed, axis: int) -> bool:
    """Return whether the first and the last row of each piece stand where it would be."""
    first = 0
    for piece, size in zip(pieces, sizes, strict=True):
        if axis == _HEADS:
            heads, rows = slice(first, first + size), [0, rule.shape[_QUERIES] - 1]
            own = rows
        else:
            heads, rows, own = slice(None), [first, first + size - 1], [0, size - 1]
        mine = piece.weights(rows=own)
        its = rule.weights(Selection(heads=heads, rows=rows))
        shares = mine / mine.sum(-1, keepdim=True)  # where they were divided after the product
        bound = max(_BOUND, 4 * torch.finfo(piece.query.dtype).eps)
        if not any(torch.allclose(each, its, rtol=0, atol=bound) for each in (mine, shares)):
            return False
        first += size
    return True


def _joined(tensors: Sequence[Tensor | None], axis: int) -> Tensor | None:
    known = [tensor for tensor in tensors if tensor is not None]
    fits = len(known) == len(tensors) and len({tensor.dim() for tensor in known}) == 1
    return torch.cat(known, axis) if fits and known[0].dim() == 1 + 3 else None
