"""Which module is running, what it is called, and what its attributes say about its attention."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from attn_monitor.capture.lessons import Lessons
from attn_monitor.capture.mixtures import Mixtures
from attn_monitor.capture.sources import Follower

_WRAPPERS: Final = (
    "_orig_mod.",
    "_forward_module.",
    "_fsdp_wrapped_module.",
    "_checkpoint_wrapped_module.",
)
_HEAD_COUNTS: Final = (
    "num_heads",
    "num_attention_heads",
    "n_heads",
    "n_head",
    "nhead",
    "heads",
    "nheads",
    "n_local_heads",
    "num_attention_head",
    "h",
)
_MATRIX: Final = 2
_INNER_KEPT: Final = 3  # a training module around a model around an encoder
_CROSS_WORDS: Final = (
    "cross",
    "encoder_attn",
    "encdec",
    "enc_dec",
    "multihead_attn",
    "src_attn",
    "context_attn",
    "memory",
    "enc_attn",
)


def module_names(model: nn.Module) -> dict[nn.Module, str]:
    """Return each module's path as its author wrote it, without the names of wrappers."""
    names: dict[nn.Module, str] = {}
    for name, module in model.named_modules():
        if "mod" in name:  # as in the name of every wrapper
            for wrapper in _WRAPPERS:
                name = name.replace(wrapper, "")  # noqa: PLW2901  # the cleaned name is the name
        names.setdefault(module, name.removeprefix("module."))
    return names


class ModuleStack:
    """The modules whose ``forward`` is running now, innermost last.

    Follows the calls through global hooks, because a hook on a module of its own would switch
    :class:`torch.nn.TransformerEncoderLayer` away from its fused path.
    """

    def __init__(
        self, model: nn.Module, follower: Follower | None = None, lessons: Lessons | None = None
    ) -> None:
        self._model = model
        self._follower = follower
        self._names = module_names(model) if lessons is None else lessons.names
        self._running: list[nn.Module] = []
        self._entered: list[tuple[int, tuple[object, ...]]] = []
        self._entries = 0
        self.ran: set[nn.Module] = set()
        self.attended: set[nn.Module] = set()
        self.weighing: set[nn.Module] = set()
        self.linear: set[nn.Module] = set()
        self.choosing: set[nn.Module] = set()
        self.channelwise: set[nn.Module] = set()
        self.mixtures = Mixtures()
        self._thread = threading.get_ident()
        self._input_shape: tuple[int, ...] = ()
        self._sentences: tuple[int, ...] = ()  # axes that may count them, of whatever came first
        self._lessons = lessons
        self.results = ForwardResults()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow every module call of this thread until the block ends."""
        entering = register_module_forward_pre_hook(self._enter)
        leaving = register_module_forward_hook(self._leave, always_call=True)
        try:
            yield
        finally:
            entering.remove()
            leaving.remove()
            self._running.clear()
            self._entered.clear()

    def _enter(self, module: nn.Module, inputs: tuple[object, ...]) -> None:
        if threading.get_ident() != self._thread:
            return
        if not self._running:
            self._input_shape, self._sentences = (), _leading(inputs)
        if not self._input_shape:
            self._input_shape = _shape(inputs)
        if self._follower is not None:
            self._follow(self._follower, module, inputs)
        self._running.append(module)
        self.ran.add(module)
        self._entries += 1
        self._entered.append((self._entries, inputs))
        if self._lessons is not None:
            self._lessons.boundary(module)

    def _follow(self, follower: Follower, module: nn.Module, inputs: tuple[object, ...]) -> None:
        """Follow what enters the model, and ids that were made inside of it."""
        outermost = not self._running
        for at, tensor in enumerate(inputs):
            if isinstance(tensor, Tensor) and (outermost or is_sentences(tensor)):
                follower.add(f"{self._names.get(module, '')}[{at}]", tensor)

    def _leave(self, module: nn.Module, _inputs: object, output: object) -> None:
        if threading.get_ident() == self._thread and self._running:
            self._running.pop()
            self._entered.pop()
            self.results.left(module, output)
            if self._lessons is not None:
                self._lessons.boundary(None)

    def innermost(self) -> tuple[str, nn.Module]:
        """Return the path and the innermost running module that belongs to the model."""
        for module in reversed(self._running):
            if module in self._names:
                return self._names[module], module
        return "", self._model

    def invocation(self) -> int:
        """Return a number for the call of the innermost running module of the model."""
        for at in range(len(self._running) - 1, -1, -1):
            if self._running[at] in self._names:
                return self._entered[at][0]
        return 0

    def shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of what the running modules were given, innermost first."""
        found = (_shape(inputs) for _, inputs in reversed(self._entered))
        return [shape for shape in found if shape]

    def asks_once(self) -> bool:
        """Return whether the innermost module was given one token per sentence, or one sentence."""
        return any(1 in shape[:2] for shape in self.shapes()[:1])

    def scope(self) -> tuple[int, ...]:
        """Return a number for each running module call, outermost first."""
        return tuple(number for number, _ in self._entered)

    def note_attention(self) -> None:
        """Remember that attention ran inside the modules that are running now."""
        self.results.attending(self._running)
        self.attended.update(self._running)

    def note_weighing(self) -> None:
        """Remember that a softmax over other things than scores weighs something here."""
        self.weighing.add(self.innermost()[1])

    def note_linear(self) -> None:
        """Remember that products of queries and keys weigh values as they are here."""
        self.linear.add(self.innermost()[1])

    def note_choice(self) -> None:
        """Remember that the values of the best keys alone are picked here."""
        self.choosing.add(self.innermost()[1])

    def note_channelwise(self) -> None:
        """Remember that keys weigh values here, channel by channel."""
        self.channelwise.add(self.innermost()[1])

    def heads_of(self, products: int) -> int:
        """Return how many heads a stack of ``products`` attention matrices is made of.

        Only a flat ``[sentence * head, query, key]`` layout needs this. The count is read off the
        modules that are running, else off the number of sentences in their input.
        """
        counts = [count for count in self.declared_heads() if products % count == 0]
        shape = self._input_shape[:2] or self._sentences
        for count in counts:
            if products // count in shape:
                return count
        if counts:
            return 1 if products in shape else counts[0]
        sentences = self._input_shape[0] if self._input_shape else 0
        return products // sentences if sentences and products % sentences == 0 else 1

    def windows_of(self, stacked: int) -> int:
        """Return into how many windows each sentence of the input was cut; 1 for none.

        Args:
            stacked: Size of the first axis of ``[sentence, head, query, key]``.
        """
        # Of the outermost that runs: sentences as they are, and no table that was asked before.
        shapes = (_shape(inputs) for _, inputs in self._entered)
        given = (shape for shape in shapes if len(shape) >= _MATRIX)
        shape = next(given, self._input_shape)
        if shape[1::-1] == self._input_shape[:2]:  # given tokens first: as they came in
            shape = self._input_shape
        plausible = shape[:2] if len(shape) <= 3 else shape[:1]  # noqa: PLR2004  # [T, B, d]
        if not shape or stacked in plausible or stacked % shape[0] or shape[0] == 0:
            return 1
        return stacked // shape[0]

    def says_cross(self, name: str, module: nn.Module) -> bool:
        """Return whether a module's name or flags call it cross-attention."""
        lowered = name.lower()
        flagged = getattr(module, "is_cross_attention", False) is True
        return flagged or any(word in lowered for word in _CROSS_WORDS)

    def declared_heads(self) -> Iterator[int]:
        """Yield the numbers of heads that the running modules declare, the innermost first."""
        for module in reversed(self._running):
            for attribute in _HEAD_COUNTS:
                count = getattr(module, attribute, None)
                if isinstance(count, int) and not isinstance(count, bool) and count > 0:
                    yield count


def _shape(inputs: tuple[object, ...]) -> tuple[int, ...]:
    """Return the shape of a module's first tensor, if it comes first and is not nested."""
    first = inputs[0] if inputs else None
    return tuple(first.shape) if isinstance(first, Tensor) and not first.is_nested else ()


def _leading(value: object) -> tuple[int, ...]:
    """Return the first two axes of the first tensor in a model's input, in containers as well."""
    if isinstance(value, Tensor):
        return () if value.is_nested else tuple(value.shape[:2])
    if not isinstance(value, Mapping | list | tuple):
        return ()
    inner = value.values() if isinstance(value, Mapping) else value
    return next((found for item in inner if (found := _leading(item))), ())


def is_sentences(tensor: Tensor) -> bool:
    """Return whether a tensor may hold ids; rows that only count are positions."""
    if tensor.is_floating_point() or tensor.dtype == torch.bool or tensor.dim() != _MATRIX:
        return False
    steps = tensor.diff(dim=1)
    return tensor.numel() > 0 and not bool(((steps == 1) | (steps == 0)).all())


class ForwardResults:
    """What the model returned, and the last hidden states before its head.

    Attributes:
        output: Return value of the outermost module around the last attention call: the model.
        inner: Return values of the next modules inside it, around that attention call, the
            outermost first.
    """

    def __init__(self) -> None:
        self._attending: tuple[nn.Module, ...] = ()
        self.output: object = None
        self._inner: dict[int, object] = {}

    @property
    def inner(self) -> tuple[object, ...]:
        """What the modules between the model and its attention returned, outermost first."""
        return tuple(self._inner[depth] for depth in sorted(self._inner))

    def attending(self, running: list[nn.Module]) -> None:
        """Remember which modules are running during an attention call."""
        self._attending = tuple(running[: _INNER_KEPT + 1])

    def left(self, module: nn.Module, output: object) -> None:
        """Keep the return values of the outermost modules that attended."""
        for depth, outer in enumerate(self._attending):
            if outer is module:
                if depth == 0:
                    self.output = output
                else:
                    self._inner[depth] = output
                return
