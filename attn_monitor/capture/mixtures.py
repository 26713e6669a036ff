"""Weights that no query asked for: values that keys weigh, divided by the sum of their weights.

An attention-free transformer mixes ``exp(keys) * values`` with ``exp(positions)`` and divides by
the same mixture of ``exp(keys)``, or adds both up: each channel has weights of its own, and no
head has a map.
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


class _Sum(NamedTuple):
    keys: int  # their projection
    axes: tuple[int, ...]
    weighed: bool  # of what they weigh, or of themselves


class Mixtures:
    """The last products of activations with a matrix that was computed, and not of them.

    And the last keys that were made positive, channel by channel, with what they weighed and what
    was added up of both.
    """

    def __init__(self) -> None:
        self._kept: deque[_Mixture] = deque(maxlen=_KEPT)
        self._positive: deque[int] = deque(maxlen=_KEPT)  # numbers of keys that may weigh values
        self._weighed: dict[int, int] = {}  # projection of the keys by number of the product
        self._sums: deque[_Sum] = deque(maxlen=_KEPT)

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

    def add_positive(self, keys: Tensor) -> None:
        """Remember projected activations that a function made positive."""
        tag = tag_of(keys)
        if isinstance(tag, Lineage) and tag.projection is not None and keys.shape[-1:] > (1,):
            self._positive.append(tag.number)

    def weigh(self, first: Tensor, second: Tensor, output: Tensor) -> None:
        """Remember a product of positive keys and values of another projection."""
        if not self._positive:
            return
        tags, made = (tag_of(first), tag_of(second)), tag_of(output)
        if not isinstance(made, Lineage):
            return
        for keys, values in (tags, tags[::-1]):
            if not (isinstance(keys, Lineage) and isinstance(values, Lineage)):
                return
            unlike = values.projected and values.projection not in {None, keys.projection}
            if unlike and keys.projection is not None and keys.number in self._positive:
                while len(self._weighed) >= _KEPT:
                    del self._weighed[next(iter(self._weighed))]
                self._weighed[made.number] = keys.projection

    def add_up(self, source: Tensor, axes: object) -> None:
        """Remember a sum of positive keys, or of what they weigh."""
        tag = tag_of(source) if self._positive else None
        chosen = axes if isinstance(axes, (list, tuple)) else [axes]
        if not isinstance(tag, Lineage):
            return
        over = tuple(axis % source.dim() for axis in chosen if isinstance(axis, int))
        if over and tag.number in self._weighed:
            self._sums.append(_Sum(self._weighed[tag.number], over, weighed=True))
        elif over and tag.projection is not None and tag.number in self._positive:
            self._sums.append(_Sum(tag.projection, over, weighed=False))

    def divide(self, divisor: Tensor) -> bool:
        """Return whether a divisor is one of two mixtures, or sums, by the same weights."""
        tag = tag_of(divisor)
        if self._sums and isinstance(tag, Lineage):
            mine = [one for one in self._sums if not one.weighed and one.keys == tag.projection]
            if any(one._replace(weighed=True) in self._sums for one in mine):
                return True
        if not self._kept:
            return False
        if isinstance(tag, Scores) and tag.kind is None:
            by = [at for at, one in enumerate(self._kept) if _made(tag, one.matrix)]
        elif isinstance(tag, Lineage) and tag.projection is not None:
            by = [at for at, one in enumerate(self._kept) if one.product == tag.projection]
        else:
            return False
        return any(
            at != other and _equal(self._kept[at].matrix, one.matrix)
            for at in by[:1]
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
    base = matrix._base
    if type(base) is nn.Parameter:  # asking for an instance of it runs Python code
        return True
    return isinstance(matrix, nn.Parameter) or isinstance(base, nn.Parameter)
