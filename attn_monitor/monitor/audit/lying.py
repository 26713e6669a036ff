"""How outputs lie that are not simply one row per sentence and one column per token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import torch
from torch import Tensor

from attn_monitor.monitor.audit.count import spread
from attn_monitor.monitor.audit.watched import Returned, per_token

Kind = Literal["longer", "flat", "channels"]
_ASKED: Final = 4  # columns of which it is asked whose output they are
_AXES: Final = 3
_FEWEST_CHANNELS: Final = 16
_CONVOLUTIONS: Final = ("Conv1d", "BatchNorm1d")


@dataclass(frozen=True, slots=True)
class Lying:
    """How a stream's outputs lie in the tensors that modules return.

    Attributes:
        shape: ``[sentence, column]`` of the stream.
        kind: ``"longer"``: with tokens of the model's own before or behind; ``"flat"``: sentences
            one after the other; ``"channels"``: ``[sentence, channel, column]``.
        front: How many tokens of the model's own stand before.
        width: Columns of such a tensor.
    """

    shape: torch.Size
    kind: Kind
    front: int = 0
    width: int = 0

    def of(self, returned: Returned) -> Returned:
        """Return a tensor with a row per sentence and a column per token, if it lies like this."""
        found = self._of(returned.tensor)
        return returned if found is None else replace(returned, tensor=found)

    def _of(self, tensor: Tensor) -> Tensor | None:
        rows, columns = self.shape
        if per_token(tensor, self.shape) is not None:
            return None
        if self.kind == "flat" and tensor.dim() == _AXES - 1 and len(tensor) == rows * columns:
            return tensor.reshape(rows, columns, -1)
        if self.kind == "channels" and tensor.dim() == _AXES and tensor.shape[::2] == self.shape:
            return tensor.transpose(1, 2)
        inner = slice(self.front, self.front + columns)
        if self.kind == "longer" and tensor.dim() >= _AXES:
            if tensor.shape[:2] == (rows, self.width):
                return tensor[:, inner]
            if tensor.shape[:2] == (self.width, rows):
                return tensor[inner]
        return None


def laid_out(returned: Sequence[Returned], lyings: Sequence[Lying]) -> list[Returned]:
    """Return tensors with a row per sentence and a column per token wherever they lie like this."""
    found = list(returned)
    for lying in lyings:
        found = [lying.of(each) for each in found]
    return found


def maybe(returned: Returned, shape: torch.Size) -> Iterator[Lying]:
    """Yield how a tensor may lie; where the first token's output stands is not known yet."""
    tensor, (rows, columns) = returned.tensor, shape
    if tensor.dim() == _AXES - 1 and len(tensor) == rows * columns:
        yield Lying(shape, "flat")
    if tensor.dim() != _AXES:
        return
    # Few channels may be heads, whose weights over tokens depend on all of them.
    vectors = returned.kind in _CONVOLUTIONS or tensor.shape[1] >= _FEWEST_CHANNELS
    if tensor.shape[::2] == shape and vectors:
        yield Lying(shape, "channels")
    width = tensor.shape[1] if tensor.shape[0] == rows else tensor.shape[0]
    if rows in tensor.shape[:2] and width > columns:
        yield Lying(shape, "longer", width=width)


def settled(lying: Lying, strongest: Sequence[tuple[int, int]]) -> Lying | None:
    """Return how outputs lie, given which token moves some of them most; ``None`` if not like this.

    Args:
        lying: How they may lie.
        strongest: Columns of the outputs, each with the column of its strongest token.
    """
    shifts = [column - own for column, own in strongest]
    if not shifts:
        return None
    front = max(set(shifts), key=shifts.count)
    room = lying.width - lying.shape[1] if lying.kind == "longer" else 0
    enough = shifts.count(front) > len(shifts) / 2
    return replace(lying, front=front) if enough and 0 <= front <= room else None


def asked(lying: Lying, real: Tensor) -> list[int]:
    """Return some columns of an output that lies like this, of real tokens of its first row."""
    columns = real[0].nonzero().flatten().tolist()
    before = (lying.width - lying.shape[1]) // 2 if lying.kind == "longer" else 0
    return [column + before for column in spread(columns[1:-1] or columns, _ASKED)]
