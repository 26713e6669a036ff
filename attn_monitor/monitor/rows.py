"""Some sentences of a batch, whatever it is made of."""

from __future__ import annotations

import copy
from collections.abc import MutableMapping, Sequence
from dataclasses import fields, is_dataclass

import torch
from torch import Tensor

_SQUARE = 2  # axes of a mask between the tokens of a sentence


class CannotSplitError(Exception):
    """Nothing says which entries of a batch belong to which sentence."""


def take_rows(batch: object, rows: Sequence[int], total: int, *, arguments: bool = False) -> object:
    """Return a batch of some sentences only; what belongs to no sentence is kept as it is.

    Args:
        batch: Tensors whose first axis is the sentence, lists with an entry per sentence, and
            mappings, tuples, lists and dataclasses of these.
        rows: The sentences wanted, in order.
        total: How many sentences the batch has.
        arguments: The batch is what a module was called with, where a square of that size may
            be a mask between tokens.

    Raises:
        CannotSplitError: It has an axis of that length elsewhere, or an object that is not known.
    """
    if isinstance(batch, Tensor):
        return _tensor(batch, rows, total, arguments=arguments)
    if batch is None or isinstance(batch, str | bytes | bool | int | float | torch.dtype):
        return batch

    def inner(value: object) -> object:
        return take_rows(value, rows, total, arguments=arguments)

    if isinstance(batch, MutableMapping):
        twin = copy.copy(batch)
        for key, value in batch.items():
            twin[key] = inner(value)
        return twin
    if isinstance(batch, list | tuple):
        if _one_per_sentence(batch, total):
            return type(batch)([batch[row] for row in rows])
        make = getattr(batch, "_make", type(batch))  # a named tuple keeps its names
        return make([inner(value) for value in batch])
    if is_dataclass(batch) and not isinstance(batch, type):
        whole = copy.copy(batch)
        for name in (field.name for field in fields(batch)):
            object.__setattr__(whole, name, inner(getattr(batch, name)))
        return whole
    raise CannotSplitError(type(batch).__name__)


def _tensor(tensor: Tensor, rows: Sequence[int], total: int, *, arguments: bool) -> Tensor:
    if tensor.is_nested or tensor.layout != torch.strided:
        raise CannotSplitError(str(tensor.layout))
    if tensor.dim() and tensor.shape[0] == total:
        between_tokens = tensor.dim() == _SQUARE and tensor.shape[1] == total
        if (
            arguments
            and between_tokens
            and (tensor.is_floating_point() or tensor.dtype.itemsize == 1)
        ):
            raise CannotSplitError("a square mask as large as the batch")
        return tensor[list(rows)].clone()
    if total > 1 and total in tensor.shape:
        raise CannotSplitError(f"{total} sentences along a later axis of {list(tensor.shape)}")
    return tensor


def _one_per_sentence(values: Sequence[object], total: int) -> bool:
    """Tell a list with an entry per sentence from a list of tensors over all sentences."""
    if len(values) != total or hasattr(values, "_make"):
        return False
    tensors = [value for value in values if isinstance(value, Tensor)]
    over_all = [tensor for tensor in tensors if tensor.dim() and tensor.shape[0] == total]
    return not over_all and not any(
        isinstance(value, MutableMapping) and total == 1 for value in values
    )
