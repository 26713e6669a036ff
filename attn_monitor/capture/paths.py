"""How values reach an attention output: the linear operators between them, to be run again.

A model may cut values into windows, multiply each with its own weights and put the results back
together. Whatever it does, the output is a linear function of the values. So the weight of a query
on a key is what arrives at the query when the key alone holds a one, and running the operators
again on such values gathers all weights into their true positions.

Memory is followed, not tensors: views of one storage need no record of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from attn_monitor.capture.tensors import as_in

_ORDINARY: Final = frozenset((Tensor, nn.Parameter))


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
        calls: What was multiplied on the way here: one entry per product with weights.
        moved: Something other than copies happened since that product.
        composed: The product was multiplied with further weights, or divided by their sum.
    """

    size: int
    dtype: torch.dtype
    device: torch.device
    source: Tensor | None = None
    origin: tuple[int, ...] | None = None
    calls: frozenset[int] = frozenset()
    moved: bool = False
    composed: bool = False
    _steps: list[Step] = field(default_factory=list)
    _first: Callable[[], Step] | None = None

    @property
    def steps(self) -> list[Step]:
        """The operators that wrote into it; few are ever asked for, so the first may wait."""
        first, self._first = self._first, None
        if first is not None:
            self._steps.append(first())
        return self._steps

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


@dataclass(eq=False, slots=True)
class Beginning:
    """Values as they were projected. Most are never followed: their buffer is made when they are.

    Attributes:
        shape: Their shape; they fill a memory of their own.
        dtype: The type of their elements.
        origin: Names what they were projected from.
    """

    shape: torch.Size
    dtype: torch.dtype
    origin: tuple[int, ...] | None = None
    _buffer: Buffer | None = None

    def buffer(self, view: Tensor) -> Buffer | None:
        """Return the memory, the same one for every view of it; ``None`` where it is another."""
        if self._buffer is None and is_plain(view) and elements(view) == self.shape.numel():
            stride = [self.shape[axis + 1 :].numel() for axis in range(len(self.shape))]
            self._buffer = beginning(view.detach().as_strided(self.shape, stride, 0), self.origin)
        return self._buffer


def projected(values: Tensor, origin: tuple[int, ...] | None) -> Buffer | Beginning | None:
    """Return where the output of a projection lies; ``None`` if it cannot be followed."""
    if values.is_contiguous() and not values._is_view() and is_plain(values):
        return Beginning(values.shape, values.dtype, origin)
    return beginning(values, origin)


def memory_of(tensor: Tensor, path: Buffer | Beginning | None) -> Buffer | None:
    """Return the buffer in which a followed tensor lies; ``None`` where it is not followed."""
    if path is None or path.dtype != tensor.dtype:
        return None
    return path.buffer(tensor) if isinstance(path, Beginning) else path


def beginning(values: Tensor, origin: tuple[int, ...] | None = None) -> Buffer | None:
    """Return the buffer of values that were not followed until now; ``None`` if they cannot be."""
    if not is_plain(values):
        return None
    if not values.is_contiguous() and any(
        step == 0 and size > 1 for step, size in zip(values.stride(), values.shape, strict=True)
    ):
        return None  # repeated in place
    return Buffer(
        size=elements(values),
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
            if not isinstance(first, Tensor) or elements(first) != output.size:
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


def _with_views(value: object, memory: Mapping[Buffer, Tensor], own: Buffer) -> object:
    if isinstance(value, Place):
        return value.of(memory[value.buffer or own])
    if isinstance(value, (tuple, list)):
        return as_in(value, [_with_views(item, memory, own) for item in value])
    return value


def is_plain(tensor: Tensor) -> bool:
    """Return whether a tensor is memory and nothing else."""
    ordinary = type(tensor) in _ORDINARY and tensor.is_floating_point()
    return ordinary and not tensor.is_nested and tensor.layout == torch.strided


def elements(tensor: Tensor) -> int:
    """Return how many elements the memory holds that a tensor is a view of."""
    return int(tensor.untyped_storage().nbytes()) // tensor.element_size()
