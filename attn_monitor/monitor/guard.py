"""Leave a model exactly as it was found."""

from __future__ import annotations

import contextvars
import random
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

import numpy as np
import torch
from torch import distributed as dist
from torch import nn

from attn_monitor.capture.mutations import before_writes
from attn_monitor.monitor.silence import nothing_written
from attn_monitor.monitor.snapshot import Snapshot

Replay = Callable[[object], object]
_SEED: Final = 0
_PATIENCE: Final = 0.25  # seconds that a replay waits for a user's function
_Told = TypeVar("_Told")


@dataclass(slots=True)
class Guard:
    """Lets a model be run in evaluation mode and puts everything back.

    Restored are the random state of Python, numpy, torch and the CUDA devices that the model is
    on, the training flag of every module, gradients, parameters, buffers, and whatever Python
    object can be reached from the model: attributes, containers of every kind, arrays, helper
    objects, metrics, generators, files, and what its functions close over. What a pass would
    write to files and to trackers is not written.

    Attributes:
        model: The model.
        others: Further objects that a step may change, with their names.
        skip: Objects that are left alone: the trainer and the monitor itself.
        shallow: Objects of which the plain values alone are put back: the trainer, again.
        feeds: Returns the loaders that bring the batches, with what to call each.
        moved: What moved in a replay so far and was put back, by name.
        proved: The steps at which nothing was found to have moved for good.
    """

    model: nn.Module
    others: tuple[tuple[str, object], ...] = ()
    skip: tuple[object, ...] = ()
    shallow: tuple[tuple[str, object], ...] = ()
    feeds: Callable[[], Iterable[tuple[str, object]]] = tuple
    moved: set[str] = field(default_factory=set)
    proved: set[int] = field(default_factory=set)
    _fragile: set[int] | None = None  # tensors that a pass writes to; unknown before the first
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        """Expect a replay that may write to other tensors than those before it."""
        self._fragile = None

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Run a forward pass in evaluation mode, then put everything back.

        Raises:
            CannotPutBackError: Something moved that cannot be put back.
        """
        model = self.model
        reshard(model)
        with ExitStack() as stack:
            stack.enter_context(_taken(self._turn))
            # Inference tensors hide composite operators from the capture: they come undecomposed.
            stack.enter_context(torch.inference_mode(mode=False))
            stack.enter_context(torch.no_grad())
            stack.enter_context(random_state_kept(model))
            stack.enter_context(_context_kept())
            roots = [("model", model), *self.others, *self.feeds()]
            snapshot = Snapshot(roots, skip=self.skip, shallow=self.shallow, fragile=self._fragile)
            flags = [(module, module.training) for module in model.modules()]
            slopes = [(p, p.grad, p.requires_grad) for p in model.parameters()]
            try:
                for parameter, _, _ in slopes:
                    parameter.grad = None  # a step with gradients of its own must not add to these
                model.eval()
                watched = snapshot.tensors.about_to_be_written
                with nothing_written(snapshot.writers), before_writes(watched):
                    yield
            finally:
                reshard(model)
                _put_flags_back(flags)
                for parameter, grad, requires in slopes:
                    if parameter.requires_grad != requires:
                        parameter.requires_grad_(requires)
                    parameter.grad = grad
                self.moved.update(snapshot.restore())
                self._fragile = (self._fragile or set()) | snapshot.tensors.touched

    def between_replays(self, function: Callable[[_Told], object]) -> Callable[[_Told], object]:
        """Return a user's function that waits for a replay's end: its changes would be put back."""

        def call(told: _Told) -> object:
            with self._turn:
                return function(told)

        return call


@contextmanager
def _taken(turn: threading.Lock) -> Iterator[None]:
    """Wait for a user's function that is running, but not long."""
    taken = turn.acquire(timeout=_PATIENCE)
    try:
        yield
    finally:
        if taken:
            turn.release()


@contextmanager
def quiet_forward(guard: Guard) -> Iterator[None]:
    """Replay without a trace: nothing changed in the model, nothing said about nested tensors."""
    with guard.untouched(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*nested tensors is in prototype.*")
        yield


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Run one forward pass in evaluation mode, then put everything back."""
    with random_state_kept(model), Guard(model).untouched():
        yield


def reshard(model: nn.Module) -> None:
    """Leave of every parameter that is spread over processes (FSDP2) this process's part alone.

    A forward pass without a backward pass leaves some of them whole, and only FSDP itself knows
    which: the parameters that a module holds may not be put back without it.
    """
    for module in model.modules():
        if any(base.__name__ == "FSDPModule" for base in type(module).__mro__):
            cast(Any, module).reshard()


def alone() -> bool:
    """Return whether this is the only process: else layers may wait for the others."""
    together = dist.is_available() and dist.is_initialized()
    return not together or dist.get_world_size() == 1


def _put_flags_back(flags: list[tuple[nn.Module, bool]]) -> None:
    for module, training in flags:
        if module.training != training:
            module.training = training


def repeatable(replay: Replay, model: nn.Module) -> Replay:
    """Return a replay that draws the same numbers every time: what a step masks, drops or shuffles.

    To be called where the random state is kept.
    """

    def replayed(given: object) -> object:
        random.seed(_SEED)
        np.random.seed(_SEED)  # noqa: NPY002  # the generator that steps draw from
        torch.default_generator.manual_seed(_SEED)
        for device in _devices(model):
            torch.cuda.default_generators[device].manual_seed(_SEED)
        return replay(given)

    return replayed


def _devices(model: nn.Module | None) -> list[int]:
    """Return the CUDA devices that a model is on."""
    if not torch.cuda.is_initialized():
        return []
    parameters = () if model is None else model.parameters()
    return sorted({p.device.index or 0 for p in parameters if p.device.type == "cuda"})


@contextmanager
def _context_kept() -> Iterator[None]:
    """Put the context variables of this thread back afterwards."""
    before = contextvars.copy_context()
    try:
        yield
    finally:
        for variable, value in contextvars.copy_context().items():
            if variable in before:
                if value is not before[variable]:
                    variable.set(before[variable])
            else:
                with suppress(LookupError):  # without a default there is nothing to go back to
                    variable.set(contextvars.Context().run(variable.get))


@contextmanager
def random_state_kept(model: nn.Module | None = None) -> Iterator[None]:
    """Put the random state of Python, numpy, torch and ``model``'s CUDA devices back afterwards."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=_devices(model)):
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
