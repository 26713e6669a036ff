"""Copies of batches, on another device, whatever they are made of."""

from __future__ import annotations

import copy
from collections.abc import Callable, MutableMapping
from dataclasses import fields, is_dataclass

import torch
from torch import Tensor, nn


def copied(batch: object, device: torch.device | str = "cpu") -> object:
    """Return a copy of a batch whose tensors are on a device and nobody else can change.

    Tensors are found in mappings (a Hugging Face ``BatchEncoding`` among them), lists, tuples,
    named tuples and dataclasses, at any depth. Other objects are kept as they are, except those
    with a ``to`` method, such as graphs, which are copied and moved by it.
    """
    if isinstance(batch, Tensor):
        return batch.detach().to(device, copy=True)
    if isinstance(batch, MutableMapping):
        # A copy of the mapping itself keeps its class; its values are then replaced.
        twin = copy.copy(batch)
        for key, value in batch.items():
            twin[key] = copied(value, device)
        return twin
    if isinstance(batch, list):
        return [copied(value, device) for value in batch]
    if isinstance(batch, tuple):
        values = [copied(value, device) for value in batch]
        make = getattr(batch, "_make", type(batch))  # a named tuple keeps its names
        return make(values)
    if is_dataclass(batch) and not isinstance(batch, type):
        return _copied_fields(batch, device)
    move = getattr(copy.deepcopy(batch), "to", None) if hasattr(batch, "to") else None
    return move(device) if callable(move) else batch


def mapped(batch: object, change: Callable[[Tensor], Tensor]) -> object:
    """Return a batch of the same make with other tensors; all else is shared.

    Args:
        batch: As for :func:`copied`.
        change: Returns what stands for a tensor.
    """
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, MutableMapping):
        twin = copy.copy(batch)
        for key, value in batch.items():
            twin[key] = mapped(value, change)
        return twin
    if isinstance(batch, list | tuple):
        make = getattr(batch, "_make", type(batch))
        return make([mapped(value, change) for value in batch])
    if is_dataclass(batch) and not isinstance(batch, type):
        whole = copy.copy(batch)
        for name in (field.name for field in fields(whole)):
            object.__setattr__(whole, name, mapped(getattr(batch, name), change))
        return whole
    return batch


def on_device_of(model: nn.Module, batch: object) -> object:
    """Return a copy of a batch on the device of the model's parameters."""
    return copied(batch, next((p.device for p in model.parameters()), torch.device("cpu")))


def _copied_fields(batch: object, device: torch.device | str) -> object:
    twin = copy.copy(batch)
    for name in (field.name for field in fields(twin)):  # type: ignore[arg-type]  # a dataclass
        # Past a frozen dataclass's own guard: the copy is ours.
        object.__setattr__(twin, name, copied(getattr(batch, name), device))
    return twin
