"""Leave a model exactly as it was found."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from attn_monitor.monitor.silence import nothing_written
from attn_monitor.monitor.snapshot import Snapshot

COPIED_ALWAYS: Final = 1 << 30  # bytes of parameters that are copied before every replay


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
        moved: What moved in a replay so far and was put back, by name.
    """

    model: nn.Module
    others: tuple[tuple[str, object], ...] = ()
    skip: tuple[object, ...] = ()
    moved: set[str] = field(default_factory=set)
    _fragile: set[int] | None = None  # parameters that a pass writes to; unknown before the first

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Run a forward pass in evaluation mode, then put everything back.

        Raises:
            CannotPutBackError: Something moved that cannot be put back.
        """
        model = self.model
        with ExitStack() as stack:
            # Inference tensors hide composite operators from the capture: they come undecomposed.
            stack.enter_context(torch.inference_mode(mode=False))
            stack.enter_context(torch.no_grad())
            stack.enter_context(random_state_kept(model))
            snapshot = Snapshot(
                [("model", model), *self.others], skip=self.skip, copies=self._copies(model)
            )
            flags = [(module, module.training) for module in model.modules()]
            slopes = [(p, p.grad, p.requires_grad) for p in model.parameters()]
            try:
                for parameter, _, _ in slopes:
                    parameter.grad = None  # a step with gradients of its own must not add to these
                model.eval()
                with nothing_written(snapshot.writers):
                    yield
            finally:
                _put_flags_back(flags)
                for parameter, grad, requires in slopes:
                    if parameter.requires_grad != requires:
                        parameter.requires_grad_(requires)
                    parameter.grad = grad
                self.moved.update(snapshot.restore())
                if self._fragile is None:
                    self._fragile = snapshot.touched | _renormed(model)

    def _copies(self, model: nn.Module) -> Callable[[Tensor], bool]:
        """Return which parameters to copy: all, unless that is a lot of memory each time."""
        size = sum(p.numel() * p.element_size() for p in model.parameters() if not p.is_meta)
        fragile = self._fragile
        if fragile is None or size <= COPIED_ALWAYS:
            return lambda _: True
        return lambda parameter: id(parameter) in fragile


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Run one forward pass in evaluation mode, then put everything back."""
    with random_state_kept(model), Guard(model).untouched():
        yield


def _renormed(model: nn.Module) -> set[int]:
    """Return the parameters that a lookup may shrink, whether or not the first one did."""
    kinds = (nn.Embedding, nn.EmbeddingBag)
    return {
        id(m.weight) for m in model.modules() if isinstance(m, kinds) and m.max_norm is not None
    }


def _put_flags_back(flags: list[tuple[nn.Module, bool]]) -> None:
    for module, training in flags:
        if module.training != training:
            module.training = training


@contextmanager
def random_state_kept(model: nn.Module | None = None) -> Iterator[None]:
    """Put the random state of Python, numpy, torch and ``model``'s CUDA devices back afterwards."""
    parameters = () if model is None else model.parameters()
    devices = sorted({p.device.index or 0 for p in parameters if p.device.type == "cuda"})
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
