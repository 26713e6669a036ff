"""Leave a model exactly as it was found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

# What nn.Module keeps for itself. Parameters cannot change under no_grad; hooks are not ours.
MACHINERY = frozenset(vars(nn.Module())) | {"_trainer", "_fabric", "_jit_module"}


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Run a forward pass in evaluation mode, then put everything back.

    Restored are the random state of Python, numpy, torch and the CUDA devices that the model is
    on, and the training flag of every module. Buffers and plain attributes (numbers, lists,
    dicts, sets, tensors) are lent to the pass as copies and the originals put back afterwards: a
    ``validation_step`` that counts batches, fills a list or updates a torchmetrics object does not
    know that it was replayed.
    """
    # Inference tensors hide composite operators from the capture: they arrive undecomposed.
    with random_state_kept(model), torch.inference_mode(mode=False), torch.no_grad():
        lent: dict[int, object] = {}
        loans = [_Loan(module, lent) for module in model.modules()]
        try:
            model.eval()
            yield
        finally:
            for loan in loans:
                loan.end()


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


class _Loan:
    """The originals of one module, while the module works with copies."""

    def __init__(self, module: nn.Module, lent: dict[int, object]) -> None:
        self.module = module
        self.training = module.training
        self.buffers: dict[str, Tensor | None] = {}
        self.attributes: dict[str, object] = {}
        if isinstance(module, torch.jit.ScriptModule):
            return  # its state lives in C++ and a scripted forward cannot reach Python attributes
        self.buffers = dict(module._buffers)
        for name, buffer in self.buffers.items():
            if buffer is not None:
                copy = _copy(buffer, lent)
                module._buffers[name] = copy if isinstance(copy, Tensor) else buffer
        self.attributes = {k: v for k, v in vars(module).items() if k not in MACHINERY}
        for name, value in self.attributes.items():
            vars(module)[name] = _copy(value, lent)

    def end(self) -> None:
        self.module.training = self.training
        if isinstance(self.module, torch.jit.ScriptModule):
            return
        self.module._buffers.update(self.buffers)
        attributes = vars(self.module)
        for name in attributes.keys() - MACHINERY - self.attributes.keys():
            del attributes[name]
        attributes.update(self.attributes)


def _copy(value: object, lent: dict[int, object]) -> object:
    """Copy containers and tensors, each once, so that what was shared stays shared."""
    if id(value) in lent:
        return lent[id(value)]
    copy: object
    if isinstance(value, nn.Parameter):
        return value
    if isinstance(value, Tensor):
        copy = lent[id(value)] = value.detach().clone()
    elif type(value) is list:
        items: list[object] = []
        copy = lent[id(value)] = items
        items.extend(_copy(item, lent) for item in value)
    elif type(value) is dict:
        pairs: dict[object, object] = {}
        copy = lent[id(value)] = pairs
        pairs.update({key: _copy(item, lent) for key, item in value.items()})
    elif type(value) is set:
        copy = lent[id(value)] = set(value)
    else:
        return value
    return copy
