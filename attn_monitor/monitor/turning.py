"""Where the head of a classifier begins, so that gradients are kept from there on only.

What a head makes of the last hidden states is differentiated at every recorded step. A pass without
gradients that turns them on the moment these states are there has them for nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils._python_dispatch import TorchDispatchMode

from attn_monitor.monitor.calls import tensors_of

_Key = str | int | None


@dataclass(frozen=True, slots=True)
class Turn:
    """The first module that returns the last hidden states, and where in what it returns.

    Attributes:
        number: How many modules end before it.
        module: The module.
        key: The place; ``None`` where it returns the states alone.
    """

    number: int
    module: nn.Module
    key: _Key

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Keep gradients of whatever is made of the states, until the block ends."""
        ended = 0

        def leave(module: nn.Module, _inputs: object, output: object) -> None:
            nonlocal ended
            if ended == self.number and module is self.module:
                states = dict(_places(output)).get(self.key)
                if states is not None and not states.requires_grad:
                    states.requires_grad_(True)
                    torch.set_grad_enabled(True)
            ended += 1

        before = torch.is_grad_enabled()
        hook = register_module_forward_hook(leave)
        try:
            yield
        finally:
            hook.remove()
            torch.set_grad_enabled(before)


class Ends(TorchDispatchMode):
    """Notes what modules return, and whether anything was made of it before."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own signature
        self._used: set[int] = set()
        self._found: list[tuple[Turn, weakref.ReferenceType[Tensor], bool]] = []
        self._ended = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep PyTorch from wrapping the method below: the wrapper loads the compiler."""
        return False

    def __torch_dispatch__(
        self,
        func: object,
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Run an operator and note what it used."""
        given = [id(tensor) for tensor in tensors_of((args, kwargs or {}))]
        result: object = func(*args, **(kwargs or {}))  # type: ignore[operator]
        made = {id(tensor) for tensor in tensors_of(result)}
        self._used -= made.difference(given)  # an identity that had belonged to another tensor
        self._used.update(given)
        return result

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the modules that end until the block does."""
        hook = register_module_forward_hook(self._leave)
        try:
            with self:
                yield
        finally:
            hook.remove()

    def _leave(self, module: nn.Module, _inputs: object, output: object) -> None:
        for key, tensor in _places(output):
            turn = Turn(self._ended, module, key)
            self._found.append((turn, weakref.ref(tensor), id(tensor) not in self._used))
        self._ended += 1

    def turn(self, states: Tensor) -> Turn | None:
        """Return where the head begins.

        ``None`` if anything was made of the states before a module returned them, which gradients
        from there on would miss.
        """
        found = ((turn, unused) for turn, ref, unused in self._found if ref() is states)
        turn, unused = next(found, (None, False))
        return turn if unused else None


def _places(output: object) -> Iterator[tuple[_Key, Tensor]]:
    """Yield the tensors a module returned, with where they are."""
    items: Iterator[tuple[_Key, object]] = iter(())
    if isinstance(output, Tensor):
        items = iter([(None, output)])
    elif isinstance(output, Mapping):
        items = iter(output.items())
    elif isinstance(output, (tuple, list)):
        items = iter(enumerate(output))
    yield from ((key, x) for key, x in items if isinstance(x, Tensor) and x.is_floating_point())
