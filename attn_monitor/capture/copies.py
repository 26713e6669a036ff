"""Copies of attention calls, to be looked at when the model has gone on.

What entered a fused call is a few numbers per token, its maps are many per pair of tokens: where
maps need not be there at once, it is quicker to copy the former than to make the latter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from attn_monitor.capture.record import Kept, Record
from attn_monitor.capture.rules import MaskedSoftmax

_Place = tuple[int, torch.dtype]


def bytes_of_copy(record: Record) -> int | None:
    """Return how many bytes :func:`copied` takes; ``None`` where a call can be read now only.

    That is so where its weights exist already, are changed by the model's own code, or are not in
    this machine's memory.
    """
    if type(record.rule) is not MaskedSoftmax:
        return None
    found: dict[_Place, int] = {}
    for tensor in _tensors(record):
        plain = tensor.device.type == "cpu" and tensor.layout == torch.strided
        if not plain or tensor.is_nested or type(tensor) is not Tensor:
            return None
        narrow = _narrow(tensor)
        place = tensor.data_ptr(), tensor.dtype
        found[place] = max(found.get(place, 0), narrow.numel() * narrow.element_size())
    return sum(found.values())


def copied(record: Record) -> Record:
    """Return the same call with tensors of its own, whatever is written to the model's.

    Whose tokens it is about and what queries and keys were before their positions is left out.
    """
    rule = record.rule
    if type(rule) is not MaskedSoftmax:
        raise TypeError(f"{type(rule).__name__} cannot be copied; see bytes_of_copy")
    made: dict[_Place, Tensor] = {}

    def own(tensor: Tensor) -> Tensor:
        place, narrow = (tensor.data_ptr(), tensor.dtype), _narrow(tensor)
        copy = made.get(place)
        if copy is None or _span(narrow) > copy.numel():
            copy = narrow.detach().clone()
            if copy.stride() == narrow.stride() and _span(copy) == copy.numel():
                made[place] = copy  # a copy of that memory as it lies
        else:
            copy = copy.as_strided(narrow.shape, narrow.stride())
        return copy.expand(tensor.shape)

    def kept(before: Kept | None) -> Kept | None:
        if before is None or not before.unchanged:
            return before  # it stays changed
        return Kept.of(own(before.tensor))

    query, key, value = (own(tensor) for tensor in (record.query, record.key, record.value))
    return replace(
        record,
        query=query,
        key=key,
        value=value,
        rule=replace(
            rule,
            query=own(rule.query),
            key=own(rule.key),
            mask=None if rule.mask is None else own(rule.mask),
        ),
        mixed=kept(record.mixed),
        projected=kept(record.projected),
        output_projection=None,
        query_projected=None,
        key_projected=None,
        sources=None,
    )


def _tensors(record: Record) -> Iterator[Tensor]:
    rule = record.rule
    yield from (record.query, record.key, record.value)
    if isinstance(rule, MaskedSoftmax):
        yield from (rule.query, rule.key)
        if rule.mask is not None:
            yield rule.mask
    for kept in (record.mixed, record.projected):
        if kept is not None and kept.unchanged:
            yield kept.tensor


def _narrow(tensor: Tensor) -> Tensor:
    """Return a tensor without what merely repeats along an axis."""
    repeats = [
        slice(0, 1) if stride == 0 and size > 1 else slice(None)
        for size, stride in zip(tensor.shape, tensor.stride(), strict=True)
    ]
    return tensor[tuple(repeats)]


def _span(tensor: Tensor) -> int:
    """Return how many entries lie between the first and the last one, both included."""
    pairs = zip(tensor.shape, tensor.stride(), strict=True)
    return 1 + sum((size - 1) * stride for size, stride in pairs)
