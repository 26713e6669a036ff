"""How values reach an attention output: the linear operators between them, to be run again.

A model may cut values into windows, multiply each with its own weights and put the results back
together. Whatever it does, the output is a linear function of the values. So the weight of a query
on a key is what arrives at the query when the key alone holds a one, and running the operators
again on such values gathers all weights into their true positions.

Memory is followed, not tensors: views of one storage need no record of their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from attn_monitor.capture.operators import OperatorCall

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


@dataclass(eq=False, slots=True, kw_only=True)
class Buffer:
    """A piece of memory on the way from values to an attention output.

    Attributes:
        size: Its elements.
        dtype: Their type.
        device: Where it is.
        source: Its content, ``[..., channel]``, where it is a beginning: values as they were
            projected, or as they entered the product.
        origin: Names what those values were projected from: its tokens are theirs.
        steps: The operators that wrote into it.
        calls: What was multiplied on the way here: one entry per product with weights.
        moved: Something other than copies happened since that product.
        composed: The product was multiplied with further weights, or divided by their sum.
    """

    size: int
    dtype: torch.dtype
    device: torch.device
    source: Tensor | None = None
    origin: tuple[int, ...] | None = None
    steps: list[Step] = field(default_factory=list)
    calls: frozenset[int] = frozenset()
    moved: bool = False
    composed: bool = False

    def coarsest(self) -> torch.dtype:
        """Return the number format of the fewest digits on the way here."""
        steps = (buffer for step, out in steps_before(self) for buffer in (*step.inputs, out))
        formats = {self.dtype, *(buffer.dtype for buffer in steps)}
        return max(formats, key=lambda dtype: torch.finfo(dtype).eps)

    def sources(self) -> list[Buffer]:
        """Return the beginnings that lead here, in the order in which they were reached."""
        steps = (step for step, _ in steps_before(self))
        found = (b for step in steps for b in step.inputs if b.source is not None)
        return list(dict.fromkeys(found)) or ([self] if self.source is not None else [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A tensor as a view of a buffer; ``None`` is the one that a step belongs to."""

    buffer: Buffer | None
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    def of(self, memory: Tensor) -> Tensor:
        """Return the view of a buffer's memory."""
        return memory.as_strided(self.shape, self.stride, self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operator that was run, with places instead of the tensors that are followed.

    It either ``writes`` into memory that was there before, or its result is a new piece.
    """

    number: int
    operator: Callable[..., object]
    args: tuple[object, ...]
    kwargs: dict[str, object]
    inputs: tuple[Buffer, ...]
    writes: bool


def beginning(values: Tensor, origin: tuple[int, ...] | None = None) -> Buffer | None:
    """Return the buffer of values that were not followed until now; ``None`` if they cannot be."""
    if not _plain(values):
        return None
    if not values.is_contiguous() and any(
        step == 0 and size > 1 for step, size in zip(values.stride(), values.shape, strict=True)
    ):
        return None  # repeated in place
    return Buffer(
        size=_elements(values),
        dtype=values.dtype,
        device=values.device,
        source=values.detach(),
        origin=origin,
    )


def place_of(tensor: Tensor, buffer: Buffer | None) -> Place:
    """Return where in a buffer a tensor lies."""
    return Place(
        buffer=buffer,
        shape=tuple(tensor.shape),
        stride=tensor.stride(),
        offset=int(tensor.storage_offset()),
    )


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
    if not isinstance(output, Tensor) or not _plain(output):
        return None
    if name == "div" and _is_steady(args[1], followed):
        followed = {key: buffer for key, buffer in followed.items() if key != id(args[1])}
    tensors = list(_tensors(args))
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


def multiplied(
    call: OperatorCall, values: Tensor, buffer: Buffer, output: Tensor, *, made: int | None = None
) -> Buffer | None:
    """Return the buffer behind a product of weights and values.

    Args:
        call: The product.
        values: Its operand that is followed.
        buffer: Where that operand lies.
        output: The product's result.
        made: The attention call this is; ``None`` for a further product on the way.
    """
    if not _plain(output) or values.dtype != buffer.dtype:
        return None
    path = _computed(call, {id(values): buffer}, output, moved=made is None)
    if made is None:
        path.composed = True
    else:
        path.calls, path.moved, path.composed = frozenset({made}), False, False
    return path


def run_again(target: Place, values: Mapping[Buffer, Tensor]) -> Tensor:
    """Return what would have arrived at ``target`` for other values.

    Args:
        target: Where to look.
        values: The content of each beginning, shaped like its source; missing ones are 0.

    Raises:
        ValueError: An operator behaves otherwise than when the model ran it.
    """
    memory: dict[Buffer, Tensor] = {}
    whole = target.buffer
    if whole is None:
        raise ValueError("a place without memory")
    with torch.no_grad(), _disable_current_modes():
        for step, output in steps_before(whole):
            for buffer in (*step.inputs, output) if step.writes else step.inputs:
                if buffer not in memory:
                    memory[buffer] = _begun(buffer, values)
            args = _with_views(step.args, memory, output)
            kwargs = {n: _with_views(value, memory, output) for n, value in step.kwargs.items()}
            result = step.operator(*args, **kwargs)  # type: ignore[misc]  # a tuple, like the args
            if step.writes:
                continue
            first = result[0] if isinstance(result, (tuple, list)) else result
            if not isinstance(first, Tensor) or _elements(first) != output.size:
                raise ValueError(f"{step.operator} returned another size when run again")
            memory[output] = first.as_strided((output.size,), (1,), 0)
        if whole not in memory:
            memory[whole] = _begun(whole, values)
        return target.of(memory[whole])


def _begun(buffer: Buffer, values: Mapping[Buffer, Tensor]) -> Tensor:
    """Return a buffer's memory before any operator wrote into it."""
    memory = torch.zeros(buffer.size, dtype=buffer.dtype, device=buffer.device)
    given, source = values.get(buffer), buffer.source
    if given is not None and source is not None:
        view = memory.as_strided(source.shape, source.stride(), source.storage_offset())
        view.copy_(given)
    return memory


def _computed(
    call: OperatorCall, followed: Mapping[int, Buffer], output: Tensor, *, moved: bool
) -> Buffer:
    """Return a new buffer that holds the result of an operator."""
    inputs = _inputs(call, followed)
    buffer = Buffer(
        size=_elements(output),
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
    if not isinstance(target, Tensor) or not _plain(target):
        return None
    inputs = _inputs(call, followed)
    buffer = followed.get(id(target))
    if buffer is None:
        buffer = Buffer(size=_elements(target), dtype=target.dtype, device=target.device)
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
    operator, target = call.operator, call.args[0]
    if not callable(operator):
        raise TypeError(f"{call.name} cannot be called again")
    # A step does not name its own buffer: nothing may wait for the garbage collector.
    known: dict[int, Buffer | None] = {
        key: None if buffer is output else buffer for key, buffer in followed.items()
    }
    if writes:
        known[id(target)] = None
    output.steps.append(
        Step(
            number=next(_numbers),
            operator=operator,
            args=tuple(_with_places(arg, known) for arg in call.args),
            kwargs={name: _with_places(value, known) for name, value in call.kwargs.items()},
            inputs=tuple(buffer for buffer in inputs if buffer is not output),
            writes=writes,
        )
    )


def _inputs(call: OperatorCall, followed: Mapping[int, Buffer]) -> tuple[Buffer, ...]:
    tensors = itertools.chain(_tensors(call.args), _tensors(tuple(call.kwargs.values())))
    return tuple(dict.fromkeys(followed[id(t)] for t in tensors if id(t) in followed))


def steps_before(buffer: Buffer) -> list[tuple[Step, Buffer]]:
    """Return every step that leads to a buffer with its result, as the model ran them."""
    found: dict[int, tuple[Step, Buffer]] = {}
    waiting, seen = [buffer], {buffer}
    while waiting:
        output = waiting.pop()
        for step in output.steps:
            found[step.number] = step, output
            new = [b for b in step.inputs if b not in seen]
            seen.update(new)
            waiting += new
    return [found[number] for number in sorted(found)]


def _with_places(value: object, known: Mapping[int, Buffer | None]) -> object:
    if isinstance(value, Tensor):
        return place_of(value, known[id(value)]) if id(value) in known else value.detach()
    if isinstance(value, (tuple, list)):
        return [_with_places(item, known) for item in value]
    return value


def _with_views(value: object, memory: Mapping[Buffer, Tensor], own: Buffer) -> object:
    if isinstance(value, Place):
        return value.of(memory[value.buffer or own])
    if isinstance(value, (tuple, list)):
        return [_with_views(item, memory, own) for item in value]
    return value


def _tensors(values: object) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from _tensors(value)


def _plain(tensor: Tensor) -> bool:
    """Return whether a tensor is memory and nothing else."""
    ordinary = type(tensor) in {Tensor, nn.Parameter} and tensor.is_floating_point()
    return ordinary and not tensor.is_nested and tensor.layout == torch.strided


def _elements(tensor: Tensor) -> int:
    return int(tensor.untyped_storage().nbytes()) // tensor.element_size()
