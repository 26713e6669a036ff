"""Operators that move entries of tensors about: the codes of :mod:`.origins` are moved alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Final

import torch
from torch import Tensor

from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.origins import all_mixed, compact, merged, origin_of

Answer = Tensor | None
RESHAPING: Final = frozenset({"view", "_unsafe_view", "_reshape_alias", "reshape"})
SAME: Final = frozenset({"_to_copy", "clone", "contiguous", "lift_fresh", "to"})
_VIEWING: Final = frozenset(
    {
        "permute",
        "transpose",
        "t",
        "swapaxes",
        "expand",
        "slice",
        "select",
        "unsqueeze",
        "squeeze",
        "split",
        "split_with_sizes",
        "unsafe_split",
        "unsafe_split_with_sizes",
        "chunk",
        "unsafe_chunk",
        "unbind",
        "narrow",
        "alias",
        "detach",
        "unfold",
        "diagonal",
        "movedim",
        "tril",
        "triu",
        "numpy_T",
        "mT",
    }
)
# Those of one tensor that is looked at otherwise, whose result shares its memory.
LOOKING: Final = frozenset(
    {"permute", "transpose", "t", "expand", "slice", "select", "unsqueeze", "squeeze", "detach"}
)
# Operators that move entries, and which of their arguments hold entries.
MOVING: Final = {
    **dict.fromkeys(_VIEWING, ("self",)),
    "flip": ("self",),
    "roll": ("self",),
    "rot90": ("self",),
    "repeat": ("self",),
    "index_select": ("self",),
    "index": ("self",),
    "gather": ("self",),
    "masked_select": ("self",),
    "constant_pad_nd": ("self",),
    "cat": ("tensors",),
    "stack": ("tensors",),
    "index_put": ("self", "values"),
    "index_copy": ("self", "source"),
    "slice_scatter": ("self", "src"),
    "select_scatter": ("self", "src"),
    "scatter": ("self", "src"),
    "as_strided": ("self",),
}
_INDICES: Final = ("index", "indices")


def moved(call: OperatorCall, name: str, results: Sequence[Tensor]) -> list[Answer]:
    """Return the codes of what an operator moves, reshapes or looks up."""
    code = code_of(next(iter(tensors(call.args))))
    if name in SAME:
        return [None if code is None else compact(code).clone().expand(code.shape)]
    if name in RESHAPING:
        return [None if code is None else code.reshape(results[0].shape)]
    index = [x for key in _INDICES for x in tensors((call.argument(key),))]
    if index and name not in {"index_put", "scatter", "index_copy"}:
        if code is None:
            return [_looked_up(call, name, index, results[0])]
        if any(o is not None and o.learned for o in map(origin_of, index)):
            return [all_mixed(results[0].shape)]
    return _run(call, name, len(results))


def _run(call: OperatorCall, name: str, count: int) -> list[Answer]:
    """Run the operator on the codes instead of the data."""
    args = list(call.args)
    kwargs = dict(call.kwargs)
    found = False
    for argument in MOVING[name]:
        at = _place(call, argument)
        value = kwargs[argument] if at is None else args[at]
        found |= any(code_of(x) is not None for x in tensors((value,)))
        swapped: object
        if isinstance(value, Tensor):
            swapped = _code_or_blank(value)
        elif isinstance(value, Sequence):
            swapped = [_code_or_blank(x) for x in value]
        else:
            raise TypeError(f"{name} without {argument}")
        if at is None:
            kwargs[argument] = swapped
        else:
            args[at] = swapped
    if not found:
        return [None] * count
    if name == "as_strided":
        source, codes = call.tensor("self"), args[0]
        if not source.is_contiguous() or source.storage_offset() or not isinstance(codes, Tensor):
            raise ValueError("strides of another layout")
        args[0] = codes.contiguous()
    if name == "constant_pad_nd":
        args[2:] = [0]
    operator = call.operator
    if call.name.endswith("_"):  # the functional twin: in place is done afterwards
        operator = getattr(getattr(torch.ops.aten, name), "default", None) or operator
    if not callable(operator):
        raise TypeError(name)
    return list(tensors((operator(*args, **kwargs),)))


def _place(call: OperatorCall, argument: str) -> int | None:
    schema = getattr(call.operator, "_schema", None)
    names = [a.name for a in schema.arguments] if schema is not None else []
    if argument in call.kwargs:
        return None
    at = names.index(argument)
    if at >= len(call.args):
        raise TypeError(argument)
    return at


def _code_or_blank(tensor: Tensor) -> Tensor:
    code = code_of(tensor)
    if code is not None:
        return code
    blank = torch.zeros((1,) * tensor.dim(), dtype=torch.int64, device=tensor.device)
    return blank.expand(tensor.shape)


def _looked_up(
    call: OperatorCall, name: str, index: Sequence[Tensor], result: Tensor
) -> Tensor | None:
    """Return the codes of ids that picked rows of a table without codes."""
    codes = [code for code in map(code_of, index) if code is not None]
    if not codes:
        return None
    code = reduce(merged, codes)
    if name == "gather":
        return code.expand(result.shape)
    if name == "index_select":
        dim = int(call.number("dim", 0.0)) % result.dim()
        shape = [1] * result.dim()
        shape[dim] = -1
        return code.reshape(shape).expand(result.shape)
    trailing = result.dim() - code.dim()
    return code.reshape(*code.shape, *(1,) * trailing).expand(result.shape)


def code_of(tensor: Tensor) -> Tensor | None:
    """Return the codes of a tensor's entries."""
    origin = origin_of(tensor)
    return None if origin is None else origin.code


def tensors(values: object) -> Iterator[Tensor]:
    """Yield the tensors of arguments or results, lists of tensors included."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (tuple, list)):
        for value in values:
            if isinstance(value, (Tensor, list, tuple)):
                yield from tensors(value)
