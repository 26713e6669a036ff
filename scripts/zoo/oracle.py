"""What a model's attention was, seen without :mod:`attn_monitor.capture` and computed in float64.

The model's own softmax, ``scaled_dot_product_attention`` and ``flex_attention`` calls are watched
where Python calls them, and what a softmax returned is followed to the product it takes part in.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode

PRODUCTS = {"matmul", "bmm", "mm", "einsum", "baddbmm", "__matmul__", "__rmatmul__"}
TRAVELS = {
    *("dropout", "to", "type_as", "type", "float", "half", "bfloat16", "double", "view", "reshape"),
    *(
        "transpose",
        "permute",
        "flatten",
        "unflatten",
        "__getitem__",
        "split",
        "chunk",
        "cat",
        "pad",
    ),
    *("mul", "__mul__", "__rmul__", "masked_fill", "where", "unsqueeze", "squeeze", "expand"),
    *("contiguous", "clone", "div", "__truediv__", "add", "__add__", "sub", "__sub__", "stack"),
    *("nan_to_num", "unbind", "narrow", "movedim", "swapaxes", "mT", "__get__", "detach", "repeat"),
    *("masked_fill_", "mul_", "div_", "repeat_interleave", "tril", "triu", "concat", "concatenate"),
    *("alpha_dropout", "feature_dropout", "_pad", "view_as", "expand_as", "scatter", "gather"),
}
SOFTMAXES = {"softmax", "_softmax", "gumbel_softmax", "log_softmax"}


@dataclass
class Call:
    """One product of weights and values.

    Attributes:
        module: Path of the innermost module.
        weights: ``[..., query, key]``.
        birth: Number of the softmax that made them.
        whole: What that softmax returned, its keys last; several products may share it.
        source: Which function it was.
        step: How often that module had begun by then.
    """

    module: str
    weights: Tensor
    birth: int
    whole: Tensor
    source: str
    step: int


@dataclass
class Seen:
    """Everything one forward pass showed.

    Attributes:
        calls: Its attention.
        elsewhere: Modules with a softmax that met no activations, and how often.
        began: How often each module was called.
        given: What the linear layers right inside each module were given, call by call.
        made: What they returned.
    """

    calls: list[Call] = field(default_factory=list)
    elsewhere: Counter[str] = field(default_factory=Counter)
    began: Counter[str] = field(default_factory=Counter)
    given: dict[str, list[Tensor]] = field(default_factory=lambda: defaultdict(list))
    made: dict[str, list[Tensor]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class _Made:
    """A softmax's result, as far as it came."""

    number: int
    whole: Tensor


class Oracle(TorchFunctionMode):
    """Watches one forward pass of a model.

    Attributes:
        seen: What it saw.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.seen = Seen()
        self._names = {module: name for name, module in model.named_modules()}
        self._parameters = {
            t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())
        }
        self._running: list[str] = []
        self._made: dict[int, tuple[Tensor, _Made]] = {}
        self._births: dict[int, str] = {}
        self._used: set[int] = set()

    @contextmanager
    def watching(self) -> Iterator[Seen]:
        """Watch everything until the block ends."""
        entering = register_module_forward_pre_hook(self._enter)
        leaving = register_module_forward_hook(self._leave, always_call=True)
        try:
            with flex_seen_by(self), self:
                yield self.seen
        finally:
            entering.remove()
            leaving.remove()
            for number, name in self._births.items():
                if number not in self._used:
                    self.seen.elsewhere[name] += 1

    def _enter(self, module: nn.Module, _inputs: object) -> None:
        if module in self._names:
            self._running.append(self._names[module])
            self.seen.began[self._names[module]] += 1

    def _leave(self, module: nn.Module, inputs: object, output: object) -> None:
        if module in self._names and self._running:
            self._running.pop()
            if isinstance(module, nn.Linear) and isinstance(output, Tensor):
                around = self._names[module].rpartition(".")[0]
                self.seen.given[around] += [t.detach() for t in _tensors(inputs)][:1]
                self.seen.made[around].append(output.detach())

    @property
    def _module(self) -> str:
        return self._running[-1] if self._running else ""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Any = (),
        kwargs: Any = None,
    ) -> Any:
        """Run a function and look at what it did."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "scaled_dot_product_attention":
            self._fused(*args, **kwargs)
            return func(*args, **kwargs)
        if name == "multi_head_attention_forward":
            return self._multihead(func, args, kwargs)
        result = func(*args, **kwargs)
        if name in SOFTMAXES or name in {"exp", "div", "__truediv__"}:
            self._birth(name, args, kwargs, result)
        if name in PRODUCTS:
            self._product(name, args, result)
        elif name in TRAVELS:
            self._travel(args, kwargs, result)
        elif name in {"__setitem__", "copy_"} and len(args) > 1:
            made = self._of(args[-1])
            if made is not None:
                self._tag(args[0], made)
        return result

    def _of(self, value: object) -> _Made | None:
        found = self._made.get(id(value))
        return found[1] if found is not None and isinstance(value, Tensor) else None

    def _tag(self, tensor: object, made: _Made) -> None:
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            self._made[id(tensor)] = tensor, made

    def _birth(self, name: str, args: Any, kwargs: Any, result: object) -> None:
        if not isinstance(result, Tensor) or result.dim() < 2:
            return
        axis = -1
        if name in SOFTMAXES:
            given = kwargs.get("dim", args[1] if len(args) > 1 else -1)
            axis = given if isinstance(given, int) else -1
            if name == "log_softmax":
                return  # its exponential is what matters
        else:
            if result.shape[-1] < 2 or not result.is_floating_point():
                return
            sums, near = result.detach().float().sum(-1), 1e-3
            if result.dtype == torch.bfloat16:
                near = 5e-2  # an exponential of numbers of eight binary digits
            if not bool(((sums - 1).abs() < near).all() and (result >= 0).all()):
                return
        number = len(self._births)
        self._births[number] = self._module
        whole = result.detach().movedim(axis, -1)
        self._tag(result, _Made(number, whole))

    def _travel(self, args: Any, kwargs: Any, result: object) -> None:
        for tensor in _tensors((args, *kwargs.values())):
            made = self._of(tensor)
            if made is not None:
                for out in _tensors(result):
                    self._tag(out, made)
                return

    def _product(self, name: str, args: Any, result: object) -> None:
        operands = list(_tensors(args))
        if name == "baddbmm":
            operands = operands[1:]
        tagged = [self._of(t) is not None for t in operands]
        if len(operands) != 2 or not any(tagged):
            return
        if all(tagged):
            made = self._of(operands[0])
            if made is not None:
                self._used.update({made.number})
                other = self._of(operands[1])
                self._used.update({other.number} if other else ())
                self._tag(result, _Made(made.number, made.whole))
            return
        at = tagged.index(True)
        weights, other = operands[at], operands[1 - at]
        made = self._of(weights)
        if made is None or other.untyped_storage().data_ptr() in self._parameters:
            return
        self._used.add(made.number)
        weights = weights.detach()
        if name == "einsum":
            weights = _contracted(str(args[0]), weights, at)
        elif at == 1 or name == "__rmatmul__":
            weights = weights.mT
        self._note(weights, made, name)

    def _note(self, weights: Tensor, made: _Made, source: str) -> None:
        call = Call(
            self._module,
            weights.clone(),
            made.number,
            made.whole,
            source,
            self.seen.began[self._module],
        )
        self.seen.calls.append(call)

    def _born(self, weights: Tensor, source: str) -> None:
        number = len(self._births)
        self._births[number] = self._module
        self._used.add(number)
        self._note(weights, _Made(number, weights), source)

    def _fused(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        *,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> None:
        del value, dropout_p
        with torch._C.DisableTorchFunction(), torch.no_grad():
            q, k = query.detach().double(), key.detach().double()
            if enable_gqa:
                k = k.repeat_interleave(q.shape[-3] // k.shape[-3], -3)
            scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
            if is_causal:
                hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).tril().logical_not()
                scores = scores.masked_fill(hidden, -math.inf)
            if attn_mask is not None:
                if attn_mask.dtype == torch.bool:
                    scores = scores.masked_fill(~attn_mask, -math.inf)
                else:
                    scores = scores + attn_mask.double()
            self._born(_softmax(scores), "sdpa")

    def _multihead(self, func: Any, args: Any, kwargs: Any) -> Any:
        with torch._C.DisableTorchFunction(), torch.no_grad():
            weights = func(*args, **{**kwargs, "need_weights": True, "average_attn_weights": False})
        if weights[1] is not None:
            self._born(weights[1].detach(), "multi_head_attention_forward")
        return func(*args, **kwargs)

    def flex(self, query: Tensor, key: Tensor, **options: Any) -> None:
        """Note a call of flex attention: its two functions are asked for every pair."""
        with torch._C.DisableTorchFunction(), torch.no_grad():
            q, k = query.detach().double(), key.detach().double()
            k = k.repeat_interleave(q.shape[1] // k.shape[1], 1)
            scale = options.get("scale")
            scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
            places = [torch.arange(n) for n in scores.shape]
            change, block = options.get("score_mod"), options.get("block_mask")
            if change is not None:
                scores = _everywhere(change, 1)(scores.to(query.dtype), *places).double()
            if block is not None:
                visible = _everywhere(block.mask_mod, 0)(*places)
                scores = scores.masked_fill(~visible, -math.inf)
            self._born(_softmax(scores), "flex")


def _softmax(scores: Tensor) -> Tensor:
    """Return softmax with 0 for a row that sees nothing, NaN where the scores are NaN."""
    weights = scores.softmax(-1)
    blind = (scores == -math.inf).all(-1, keepdim=True)
    return torch.where(blind, torch.zeros((), dtype=weights.dtype), weights)


def _everywhere(function: Callable[..., Tensor], scores: int) -> Callable[..., Tensor]:
    from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex

    for axis in range(3, -1, -1):
        dims = [0 if at == axis else None for at in range(4)]
        function = torch.vmap(function, in_dims=(*[0] * scores, *dims))

    def run(*given: Tensor) -> Tensor:
        with TransformGetItemToIndex():
            return function(*given)

    return run


def _contracted(equation: str, weights: Tensor, at: int) -> Tensor:
    """Return an operand of ``einsum`` as ``[..., query, key]``."""
    left, _, out = equation.replace(" ", "").partition("->")
    if "." in equation or not out:
        return weights
    mine, other = left.split(",")[at], left.split(",")[1 - at]
    shared = [c for c in mine if c in other and c in out]
    query = [c for c in mine if c not in other]
    key = [c for c in mine if c in other and c not in out]
    return weights.permute([mine.index(c) for c in (*shared, *query, *key)])


def _tensors(values: object) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Sequence) and not isinstance(values, str):
        for value in values:
            yield from _tensors(value)


@contextmanager
def flex_seen_by(oracle: Oracle | None) -> Iterator[None]:
    """Run flex attention uncompiled, and show it to the oracle where there is one."""
    module = sys.modules.get("transformers.integrations.flex_attention")
    if module is None:
        yield
        return
    from torch.nn.attention.flex_attention import flex_attention

    original = module.compile_friendly_flex_attention

    def uncompiled(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        training: bool = False,
        **options: Any,
    ) -> Any:
        del training
        if oracle is not None:
            oracle.flex(query, key, **options)
            with torch._C.DisableTorchFunction():
                return flex_attention(query, key, value, **options)
        return flex_attention(query, key, value, **options)

    module.compile_friendly_flex_attention = uncompiled
    try:
        yield
    finally:
        module.compile_friendly_flex_attention = original
