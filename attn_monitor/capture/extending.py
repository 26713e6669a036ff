"""How the way of values grows by one operator (:mod:`.paths`), and where it ends."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.paths import (
    Beginning,
    Buffer,
    Step,
    beginning,
    elements,
    is_plain,
    memory_of,
    place_of,
    run_again,
)
from attn_monitor.capture.tensors import as_in, tensors_in

_numbers = itertools.count()

# Operators by which of their operands may be a value: the first one, all (a sum), all (a
# junction), one of two (a scaling), or the ones written into another tensor.
_FIRST: Final = frozenset(
    {
        *("clone", "_to_copy", "contiguous", "constant_pad_nd", "pad", "index_select", "index"),
        *(
            "gather",
            "roll",
            "flip",
            "repeat",
            "sum",
            "mean",
            "neg",
            "take_along_dim",
            "unfold_copy",
        ),
        *("masked_fill", "masked_fill_", "fill_", "zero_", "expand_copy", "im2col"),
    }
)
_SUMS: Final = frozenset({"add", "add_", "sub", "sub_"})
_JUNCTIONS: Final = frozenset({"cat", "stack", "where"})
_SCALINGS: Final = frozenset({"mul", "mul_", "div", "div_"})
# Where the source of a write is found among the arguments.
_WRITES: Final[Mapping[str, int]] = {
    **{"copy_": 1, "slice_scatter": 1, "select_scatter": 1, "index_put_": 2, "index_put": 2},
    **{"index_copy_": 3, "index_copy": 3, "index_add_": 3, "index_add": 3, "scatter_": 3},
    **{"scatter": 3, "scatter_add_": 3, "scatter_add": 3},
}
_WITHIN: Final = frozenset({"add_", "sub_"})
LINEAR: Final = _FIRST | _SUMS | _JUNCTIONS | _SCALINGS | frozenset(_WRITES)
# What models do with values before they meet their weights; rotary positions are for others.
CARRYING: Final = (
    (_FIRST - {"neg", "sum", "mean"}) | {"cat", "stack"} | _WITHIN | frozenset(_WRITES)
)
# What leaves every weight as it was and where it was, beside views.
COPIES: Final = frozenset({"clone", "_to_copy", "contiguous"})


def extended(
    call: OperatorCall,
    followed: Mapping[int, Buffer],
    *,
    activations: set[int],
    weights: set[int],
) -> Buffer | None:
    """Return the buffer behind the result of an operator; ``None`` where the path ends.

    Args:
        call: The operator.
        followed: The buffers of those operands that are followed, by ``id``.
        activations: The operands that the model computed and that are not followed.
        weights: The operands that were made of queries and keys.
    """
    name, args = call.name, call.args
    output = call.result
    if not isinstance(output, Tensor) or not is_plain(output):
        return None
    if name == "div" and _is_steady(args[1], followed):
        followed = {key: buffer for key, buffer in followed.items() if key != id(args[1])}
    tensors = list(tensors_in(args))
    if name in _FIRST:
        fits = id(args[0]) in followed and sum(id(t) in followed for t in tensors) == 1
    elif name in _SUMS or name in _JUNCTIONS:
        # What is added in place changes no weight; elsewhere it would be a residual connection.
        within = name in _WITHIN and id(args[0]) in followed
        fits = within or not any(id(t) in activations for t in tensors)
    elif name in _SCALINGS:
        fits = sum(id(t) in followed for t in tensors) == 1 and (
            id(args[0]) in followed or name.startswith("mul")
        )
        fits = fits and not any(id(t) in activations for t in tensors)
    else:
        source = args[_WRITES[name]] if len(args) > _WRITES[name] else None
        fits = id(source) not in activations and id(args[0]) not in activations
    if not fits:
        return None
    if name.endswith("_"):
        return _written(call, followed)
    scaled = name in _SCALINGS and not any(id(t) in weights for t in tensors)
    return _computed(call, followed, output, moved=name not in COPIES and not scaled)


def _is_steady(divisor: object, followed: Mapping[int, Buffer]) -> bool:
    """Return whether a divisor lies on the way of values and does not change with them.

    A sum of weights may be made by giving the values a column of ones.
    """
    buffer = followed.get(id(divisor))
    if not isinstance(divisor, Tensor) or buffer is None:
        return False
    return torch.equal(run_again(place_of(divisor, buffer), {}), divisor)


def multiplied(call: OperatorCall, values: Tensor, buffer: Buffer, output: Tensor) -> Buffer | None:
    """Return the buffer behind a product with further weights, on the way.

    Args:
        call: The product.
        values: Its operand that is followed.
        buffer: Where that operand lies.
        output: The product's result.
    """
    if not is_plain(output) or values.dtype != buffer.dtype:
        return None
    path = _computed(call, {id(values): buffer}, output, moved=True)
    path.composed = True
    return path


def attending(
    call: OperatorCall, values: Tensor, path: Buffer | Beginning, output: Tensor, *, made: int
) -> Buffer | None:
    """Return the buffer behind the product of weights and values that an attention call is.

    Args:
        call: The product.
        values: Its operand that is followed.
        path: Where that operand lies.
        output: The product's result.
        made: The attention call's number.
    """
    if not is_plain(output) or values.dtype != path.dtype:
        return None
    operator, args, kwargs = call.operator, call.args, call.kwargs  # its result would keep itself
    number = next(_numbers)

    def first() -> Step:
        memory = memory_of(values, path) or beginning(values)
        if memory is None:
            raise ValueError("values that lie elsewhere than they were projected to")
        product = OperatorCall(operator, args, kwargs, None)
        return _step(number, product, {id(values): memory}, (memory,), writes=False)

    return Buffer(
        size=elements(output),
        dtype=output.dtype,
        device=output.device,
        calls=frozenset({made}),
        _first=first,
    )


def _computed(
    call: OperatorCall, followed: Mapping[int, Buffer], output: Tensor, *, moved: bool
) -> Buffer:
    """Return a new buffer that holds the result of an operator."""
    inputs = _inputs(call, followed)
    buffer = Buffer(
        size=elements(output),
        dtype=output.dtype,
        device=output.device,
        calls=frozenset().union(*(b.calls for b in inputs)),
        moved=moved or any(b.moved for b in inputs),
        composed=any(b.composed for b in inputs),
    )
    _note(call, followed, inputs, buffer, writes=False)
    return buffer


def _written(call: OperatorCall, followed: Mapping[int, Buffer]) -> Buffer | None:
    """Return the buffer that an operator wrote into: its first operand's."""
    target = call.args[0]
    if not isinstance(target, Tensor) or not is_plain(target):
        return None
    inputs = _inputs(call, followed)
    buffer = followed.get(id(target))
    if buffer is None:
        buffer = Buffer(size=elements(target), dtype=target.dtype, device=target.device)
    elif buffer.source is not None:
        return None  # its content is not what was projected any more
    buffer.calls = buffer.calls.union(*(b.calls for b in inputs))
    buffer.moved = True
    _note(call, followed, inputs, buffer, writes=True)
    return buffer


def _note(
    call: OperatorCall,
    followed: Mapping[int, Buffer],
    inputs: tuple[Buffer, ...],
    output: Buffer,
    *,
    writes: bool,
) -> None:
    # A step does not name its own buffer: nothing may wait for the garbage collector.
    known: dict[int, Buffer | None] = {
        key: None if buffer is output else buffer for key, buffer in followed.items()
    }
    if writes:
        known[id(call.args[0])] = None
    others = tuple(buffer for buffer in inputs if buffer is not output)
    output.steps.append(_step(next(_numbers), call, known, others, writes=writes))


def _step(
    number: int,
    call: OperatorCall,
    known: Mapping[int, Buffer | None],
    inputs: tuple[Buffer, ...],
    *,
    writes: bool,
) -> Step:
    operator = call.operator
    if not callable(operator):
        raise TypeError(f"{call.name} cannot be called again")
    return Step(
        number=number,
        operator=operator,
        args=tuple(_with_places(arg, known) for arg in call.args),
        kwargs={name: _with_places(value, known) for name, value in call.kwargs.items()},
        inputs=inputs,
        writes=writes,
    )


def _inputs(call: OperatorCall, followed: Mapping[int, Buffer]) -> tuple[Buffer, ...]:
    tensors = itertools.chain(tensors_in(call.args), tensors_in(tuple(call.kwargs.values())))
    return tuple(dict.fromkeys(followed[id(t)] for t in tensors if id(t) in followed))


def _with_places(value: object, known: Mapping[int, Buffer | None]) -> object:
    if isinstance(value, Tensor):
        return place_of(value, known[id(value)]) if id(value) in known else value.detach()
    if isinstance(value, (tuple, list)):
        return as_in(value, [_with_places(item, known) for item in value])
    return value
