"""Which modules a step of the model calls, and with what: a replay can then leave the step alone.

A step computes losses, updates metrics, logs and may write files. What attention depends on is
only what the outermost modules are called with; where that comes from the batch alone, calling
these modules again shows the same attention and does nothing else.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor, nn

from attn_monitor.monitor.fingerprint import sums
from attn_monitor.monitor.moving import copied, on_device_of
from attn_monitor.monitor.rows import take_rows

MOST_CALLS: Final = 32  # of one step; a step that generates text makes more
_PLAIN = str | bytes | bool | int | float | complex | torch.dtype | torch.device | None


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One call of an outermost module.

    Attributes:
        module: The module's path in the model.
        args: Its positional arguments, on the CPU.
        kwargs: Its keyword arguments, on the CPU.
        from_batch: Whether they come from the batch alone, so that they are the same at any step
            of the training.
    """

    module: str
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    from_batch: bool

    def of_rows(self, rows: Sequence[int], total: int) -> ModuleCall:
        """Return the call with some sentences only.

        Raises:
            CannotSplitError: The arguments do not say which entries belong to which sentence.
        """
        args = take_rows(self.args, rows, total, arguments=True)
        kwargs = take_rows(dict(self.kwargs), rows, total, arguments=True)
        if not isinstance(args, tuple) or not isinstance(kwargs, dict):
            raise TypeError("arguments changed their kind")
        return replace(self, args=args, kwargs=kwargs)

    def sharing(self, batch: object) -> ModuleCall:
        """Return the call with the batch's own tensors where an argument equals one of them."""
        own = list(tensors_of(batch))

        def shared(value: Any) -> Any:  # noqa: ANN401  # an argument
            if isinstance(value, Tensor):
                same = (x for x in own if x.shape == value.shape and x.dtype == value.dtype)
                return next((x for x in same if torch.equal(x, value)), value)
            if type(value) in {list, tuple}:
                return type(value)(map(shared, value))
            if type(value) is dict:
                return {key: shared(inner) for key, inner in value.items()}
            return value

        return replace(self, args=shared(self.args), kwargs=shared(dict(self.kwargs)))


def arguments_of(
    model: nn.Module, batch: object
) -> tuple[tuple[object, ...], Mapping[str, object]]:
    """Return the positional and the keyword arguments that a batch is for most models.

    A mapping becomes the keyword arguments that ``forward`` takes, a tuple as many positional ones
    as it requires, and anything else its only argument.
    """
    accepted = inspect.signature(model.forward).parameters.values()
    if isinstance(batch, Mapping):
        anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted)
        names = {p.name for p in accepted}
        return (), {k: v for k, v in batch.items() if anything or k in names}
    if isinstance(batch, list | tuple):
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        required = [p for p in accepted if p.kind in positional and p.default is p.empty]
        return tuple(batch[: max(1, len(required))]), {}
    return (batch,), {}


@dataclass(frozen=True, slots=True)
class ModuleCalls:
    """The calls that stand for a step, in order; a replay makes those that come from the batch."""

    calls: tuple[ModuleCall, ...]

    def run(self, model: nn.Module) -> object:
        """Make the calls; return what the last one returned."""
        result: object = None
        for call in self.calls:
            if call.from_batch:
                module = model.get_submodule(call.module)
                args: Any = on_device_of(model, call.args)
                kwargs: Any = on_device_of(model, dict(call.kwargs))
                result = module(*args, **kwargs)
        return result


class CallNotes:
    """Notes the outermost module calls of one step; the step itself is not changed.

    Args:
        model: The model whose step is about to run.
        batch: What it is given.
    """

    def __init__(self, model: nn.Module, batch: object) -> None:
        self._model = model
        self._batch = _BatchTensors(batch)
        self._names = {module: name for name, module in model.named_modules()}
        self._undo: list[Callable[[], None]] = []
        self._thread = threading.get_ident()
        self._depth = 0
        self._calls: list[ModuleCall] = []
        self._weights: list[int] | None = None
        self._usable = not is_compiled(model)

    def start(self) -> None:
        """Begin to note."""
        if self._usable:
            self._weights = sums(self._model.parameters(), sampled=True)
            for module in _outside_compilers(self._model):
                self._undo.append(_wrap(module, self._noted))

    def stop(self) -> tuple[ModuleCall, ...]:
        """Leave the model as it was; return the calls, none where they cannot stand for it."""
        while self._undo:
            self._undo.pop()()
        return tuple(self._calls) if self._usable else ()

    def _noted(
        self,
        module: nn.Module,
        forward: Callable[..., object],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> object:
        # Checkpointing runs modules again in the backward pass.
        again = torch._C._current_graph_task_id() != -1
        if again or not self._usable or threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        if self._depth == 0:
            try:
                self._note(module, args, kwargs)
            except Exception:  # noqa: BLE001  # whatever it is, the step goes on
                self._usable = False
        self._depth += 1
        try:
            return forward(*args, **kwargs)
        finally:
            self._depth -= 1

    def _note(self, module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        if len(self._calls) >= MOST_CALLS or torch.is_grad_enabled() != self._model.training:
            # Gradients in a validation, or none in training: the step does something of its own.
            self._usable = False
            return
        if not self._calls and sums(self._model.parameters(), sampled=True) != self._weights:
            self._usable = False  # the step lends the model other weights, averaged ones, say
            return
        first = not self._calls
        values = [*args, *kwargs.values()]
        from_batch = all(self._batch.gives(value, first=first) for value in values)
        held_args, held_kwargs = copied(args), copied(kwargs)
        if isinstance(held_args, tuple) and isinstance(held_kwargs, dict):
            name = self._names[module]
            self._calls.append(ModuleCall(name, held_args, held_kwargs, from_batch))


class _BatchTensors:
    """The tensors of a batch, to tell arguments that come from it."""

    def __init__(self, batch: object) -> None:
        self._tensors = list(tensors_of(batch))
        self._storages = {_storage(tensor): _version(tensor) for tensor in self._tensors}
        self._objects = {id(value) for value in _objects_of(batch)}

    def gives(self, value: object, *, first: bool) -> bool:
        """Return whether a value comes from the batch alone.

        Args:
            value: An argument of a module.
            first: Whether no other module has run before: then whole numbers and masks, however
                they were made, are of the batch.
        """
        if isinstance(value, Tensor):
            return self._gives_tensor(value, first=first)
        if isinstance(value, _PLAIN) or id(value) in self._objects:
            return True
        if isinstance(value, Mapping):
            return all(self.gives(inner, first=first) for inner in value.values())
        if isinstance(value, list | tuple):
            return all(self.gives(inner, first=first) for inner in value)
        return False

    def _gives_tensor(self, value: Tensor, *, first: bool) -> bool:
        if value.requires_grad:
            return False
        if value.dtype == torch.bool or (first and not value.is_floating_point()):
            return True
        storage = _storage(value)
        if storage in self._storages and self._storages[storage] == _version(value):
            return True
        return any(
            own.shape == value.shape and own.dtype == value.dtype and torch.equal(own, value)
            for own in self._tensors
        )


def tensors_of(value: object) -> Iterator[Tensor]:
    """Return every tensor in nested mappings, lists, tuples and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    else:
        for inner in _inside(value):
            yield from tensors_of(inner)


def _objects_of(value: object) -> Iterator[object]:
    yield value
    for inner in _inside(value):
        yield from _objects_of(inner)


def _inside(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in fields(value)]
    return []


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else id(tensor)


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _wrap(
    module: nn.Module,
    noted: Callable[
        [nn.Module, Callable[..., object], tuple[object, ...], dict[str, object]], object
    ],
) -> Callable[[], None]:
    """Run a module's forward through ``noted``; return how to undo it.

    Why not a hook: one would move ``nn.TransformerEncoderLayer`` off its fused path.
    """
    attributes = vars(module)
    had, before = "forward" in attributes, attributes.get("forward")
    forward = module.forward

    @functools.wraps(forward)
    def wrapper(*args: object, **kwargs: object) -> object:
        return noted(module, forward, args, kwargs)

    attributes["forward"] = wrapper

    def undo() -> None:
        if attributes.get("forward") is not wrapper:
            return  # somebody else has put his own in the meantime
        if had:
            attributes["forward"] = before
        else:
            del attributes["forward"]

    return undo


def _outside_compilers(model: nn.Module) -> list[nn.Module]:
    """Return the modules that Python runs; a compiled one only as a whole."""
    inside: set[nn.Module] = set()
    for module in model.modules():
        if is_compiled(module) or isinstance(module, torch.jit.ScriptModule):
            inside.update(child for child in module.modules() if child is not module)
    scripted = torch.jit.ScriptModule
    return [m for m in model.modules() if m not in inside and not isinstance(m, scripted)]


def is_compiled(module: nn.Module) -> bool:
    """Return whether a compiler runs a module."""
    own = vars(module)
    forward = own.get("forward")
    return (
        "_orig_mod" in own.get("_modules", {})
        or own.get("_compiled_call_impl") is not None
        or own.get("_compiler_ctx") is not None
        or hasattr(forward, "_torchdynamo_orig_callable")
    )
