"""One forward pass whose embeddings can be asked for gradients, and what its modules returned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.module import register_module_forward_hook
from torch.overrides import TorchFunctionMode

_LOOKUPS: Final = (
    *(functional.embedding, torch.embedding),
    *(torch.Tensor.__getitem__, torch.index_select, torch.Tensor.index_select),
)
_ATTENDING: Final = (
    *(functional.scaled_dot_product_attention, functional.multi_head_attention_forward),
    *(functional.softmax, torch.softmax, torch.Tensor.softmax),
)
_WHOLE: Final = (torch.int64, torch.int32)
_BATCH_NORMS: Final = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
_FEWEST_AXES: Final = 2


@dataclass(frozen=True, slots=True)
class Lookup:
    """An embedding lookup of one stream's tokens.

    Attributes:
        stream: Which stream's, by its place among those asked for.
        shift: Zeros that were added to what was looked up.
        layout: How its tokens lie: ``"rows"``, ``"columns"`` or ``"flat"``.
        at: How many tensors had been returned before.
    """

    stream: int
    shift: Tensor
    layout: str
    at: int


@dataclass(frozen=True, slots=True)
class Returned:
    """A tensor that a module returned."""

    module: str
    kind: str
    tensor: Tensor


@dataclass(slots=True)
class Watched:
    """What one forward pass looked up and returned, in order.

    Attributes:
        lookups: Lookups of the streams' tokens.
        others: The indices of every other lookup.
        returned: What modules returned.
        attended: How many tensors had been returned whenever attention ran.
    """

    lookups: list[Lookup] = field(default_factory=list)
    others: list[Tensor] = field(default_factory=list)
    returned: list[Returned] = field(default_factory=list)
    attended: list[int] = field(default_factory=list)


def watched(
    model: nn.Module,
    run: Callable[[], object],
    streams: Sequence[Tensor],
    *,
    noise: Mapping[int, Tensor] | None = None,
    mixing: bool = False,
) -> Watched:
    """Run a model with gradients, and keep what each module returned.

    Args:
        model: The model; in evaluation mode.
        run: Runs it.
        streams: The tokens of each stream, ``[sentence, column]``.
        noise: For each stream, numbers ``[sentence, column]`` by which its embeddings are
            stretched and moved; nothing by default.
        mixing: Let batch norms train, which mix the sentences of a batch only then.
    """
    found = Watched()
    names = {module: name for name, module in model.named_modules()}

    def note(module: nn.Module, _: object, output: object) -> None:
        name = names.get(module)
        for tensor in tensors_of(output) if name is not None else ():
            if tensor.is_floating_point() and tensor.dim() >= _FEWEST_AXES:
                found.returned.append(Returned(name or "", type(module).__name__, tensor))

    with ExitStack() as stack:
        stack.enter_context(torch.enable_grad())
        handle = register_module_forward_hook(note)
        stack.callback(handle.remove)
        if mixing:
            stack.enter_context(_mixing(model))
        stack.enter_context(_Lookups(found, [ids.cpu() for ids in streams], noise or {}))
        run()
    return found


class _Lookups(TorchFunctionMode):
    """Adds zeros that can be asked for gradients to every lookup of the tokens."""

    def __init__(
        self, found: Watched, streams: Sequence[Tensor], noise: Mapping[int, Tensor]
    ) -> None:
        super().__init__()
        self._found, self._streams, self._noise = found, streams, noise

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  # whatever the function returns
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in _ATTENDING:
            self._found.attended.append(len(self._found.returned))
        if func not in _LOOKUPS or not isinstance(result, Tensor):
            return result
        tensors = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
        indices = next((x for x in tensors if x.dtype in _WHOLE), None)
        # Picking entries out of hidden states, or of numbers that are no weights, is no lookup.
        if indices is None or result.shape[:-1] != indices.shape or not result.is_floating_point():
            return result
        where = place_of(indices.detach().cpu(), self._streams)
        if where is None:
            self._found.others.append(indices.detach().cpu())
            return result
        stream, layout = where
        shift = torch.zeros_like(result, requires_grad=True)
        self._found.lookups.append(Lookup(stream, shift, layout, len(self._found.returned)))
        if stream in self._noise:
            amount = as_laid(self._noise[stream].to(result), layout)[..., None]
            amount = functional.pad(amount, (0, 0, 0, result.shape[-2] - amount.shape[-2]))
            return result + shift + amount * (result.roll(1, -1) + result.detach().std())
        return result + shift


def place_of(indices: Tensor, streams: Sequence[Tensor]) -> tuple[int, str] | None:
    """Return which stream's tokens a lookup is of, and how they lie; ``None`` if of none's."""
    for stream, ids in enumerate(streams):
        for layout in ("rows", "columns", "flat"):
            laid = as_laid(ids, layout)
            if indices.shape == laid.shape and torch.equal(indices, laid.to(indices)):
                return stream, layout
        # Some models lengthen what they get to a multiple of their window.
        longer = indices.dim() == ids.dim() and indices.shape[1] > ids.shape[1]
        if longer and torch.equal(indices[:, : ids.shape[1]], ids.to(indices)):
            return stream, "rows"
    return None


def as_laid(values: Tensor, layout: str) -> Tensor:
    """Return ``[sentence, column]`` values as the tokens of a lookup lie."""
    if layout == "columns":
        return values.mT
    return values if layout == "rows" else values.flatten()


def from_laid(values: Tensor, layout: str, shape: torch.Size) -> Tensor:
    """Return values of a lookup's tokens as ``[sentence, column]``."""
    if layout == "columns":
        return values.mT
    return values.reshape(shape) if layout == "flat" else values[:, : shape[1]]


def per_token(tensor: Tensor, shape: torch.Size) -> Tensor | None:
    """Return a tensor as ``[sentence, column, entry]``; ``None`` if it has no entry per token."""
    if tensor.dim() <= _FEWEST_AXES:
        return None
    if tensor.shape[:2] == shape:
        return tensor.flatten(2)
    if tensor.shape[:2] == shape[::-1]:
        return tensor.transpose(0, 1).flatten(2)
    return None


def batch_norms(model: nn.Module) -> list[nn.Module]:
    """Return the layers that mix the sentences of a batch while they train."""
    return [m for m in model.modules() if isinstance(m, _BATCH_NORMS)]


@contextmanager
def _mixing(model: nn.Module) -> Iterator[None]:
    norms = [norm for norm in batch_norms(model) if not norm.training]
    for norm in norms:
        norm.training = True
    try:
        yield
    finally:
        for norm in norms:
            norm.training = False


def tensors_of(output: object) -> Iterator[Tensor]:
    """Yield the tensors in what a module returned."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for inner in output.values():
            yield from tensors_of(inner)
    elif isinstance(output, list | tuple):
        for inner in output:
            yield from tensors_of(inner)
