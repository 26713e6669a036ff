"""Weights that no query asked for: a matrix of learned positions, divided by what it makes of keys.

An attention-free transformer mixes ``exp(keys) * values`` with ``exp(positions)`` and divides by
the same mixture of ``exp(keys)``: each channel has weights of its own, and no head has a map.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from attn_monitor.capture.provenance import Constant, Lineage, Scores, Tag, tag_of

_KEPT: Final = 8  # a quotient follows at once


class _Mixture(NamedTuple):
    matrix: Tensor
    product: int | None  # its projection, where the matrix is made of parameters only


class Mixtures:
    """The last products of activations with a matrix that was computed, and not of them."""

    def __init__(self) -> None:
        self._kept: deque[_Mixture] = deque(maxlen=_KEPT)

    def add(self, matrix: Tensor, mixed: Tensor, output: Tensor) -> None:
        """Remember a product, where it may be a mixture of projected activations."""
        if _is_parameter(matrix) or matrix.is_nested or matrix.is_meta:
            return
        source = tag_of(mixed)
        if not (isinstance(source, Lineage) and source.projected):
            return
        own, made = tag_of(matrix), tag_of(output)
        if isinstance(own, Constant) and isinstance(made, Lineage):
            self._kept.append(_Mixture(matrix.detach(), made.projection))
        elif isinstance(made, Scores) and (own is None or _is_unknown(own)):
            self._kept.append(_Mixture(matrix, None))

    def divide(self, divisor: Tensor) -> bool:
        """Return whether a divisor is one of two mixtures by the same matrix."""
        if not self._kept:
            return False
        tag = tag_of(divisor)
        if isinstance(tag, Scores) and tag.kind is None:
            mine = [at for at, one in enumerate(self._kept) if _made(tag, one.matrix)]
        elif isinstance(tag, Lineage) and tag.projection is not None:
            mine = [at for at, one in enumerate(self._kept) if one.product == tag.projection]
        else:
            return False
        return any(
            at != other and _equal(self._kept[at].matrix, one.matrix)
            for at in mine[:1]
            for other, one in enumerate(self._kept)
        )


def _equal(one: Tensor, other: Tensor) -> bool:
    return one is other or (one.shape == other.shape and torch.equal(one, other))


def _made(scores: Scores, matrix: Tensor) -> bool:
    return matrix is scores.left or matrix is scores.right


def _is_unknown(tag: Tag) -> bool:
    """Return whether nothing is known of a tensor, as of parameters times a mask."""
    return isinstance(tag, Lineage) and tag.untouched


def _is_parameter(matrix: Tensor) -> bool:
    """Return whether this is a parameter or a view of one, as the matrix of a linear layer is."""
    return isinstance(matrix, nn.Parameter) or isinstance(matrix._base, nn.Parameter)
