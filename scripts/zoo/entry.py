"""One model of a library, and how it is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn


@dataclass
class Entry:
    """A model and what it is given.

    Attributes:
        model: The model, in eval mode.
        args: Its inputs by position.
        kwargs: Its inputs by name.
        also: Other ways to run the same model, by name: each changes it and is run after it.
        call: The method that runs; ``forward`` where it is empty.
    """

    model: nn.Module
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    also: dict[str, Callable[[nn.Module], object]] = field(default_factory=dict)
    call: str = ""

    def run(self) -> Any:
        """Return what the model makes of its inputs."""
        method = getattr(self.model, self.call) if self.call else self.model
        return method(*self.args, **self.kwargs)

    def halved(self) -> None:
        """Continue in bfloat16."""
        self.model.bfloat16()
        self.args = tuple(_half(value) for value in self.args)
        self.kwargs = {name: _half(value) for name, value in self.kwargs.items()}


class Library(Protocol):
    """A module that knows the models of one library."""

    TITLE: str

    def names(self) -> list[str]:
        """Return the entries of the library."""

    def built(self, name: str) -> Entry:
        """Return one of them."""

    def version(self) -> str:
        """Return the library's version."""


def drawn(model: nn.Module) -> nn.Module:
    """Give a model seeded weights that are large enough to tell heads apart, in eval mode."""
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.is_floating_point() and tensor.dim() > 1:
                tensor.normal_(0, 1 / max(1.0, float(tensor[0].numel()) ** 0.5))
            elif not bool(torch.isfinite(tensor).all()):
                tensor.zero_()
    return model.eval()


def _half(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.bfloat16() if value.is_floating_point() else value
    if isinstance(value, (list, tuple)):
        return type(value)(_half(item) for item in value)
    if isinstance(value, dict):
        return {name: _half(item) for name, item in value.items()}
    return value
