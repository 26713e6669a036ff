"""The dispatch mode that sees every operator of a forward pass and changes none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeGuard

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _pop_mode, _push_mode

from attn_monitor.capture.families import observer_of
from attn_monitor.capture.mutations import AWAITED, announce
from attn_monitor.capture.operators import OperatorCall, operator_name
from attn_monitor.capture.sources import LOOKING_UP
from attn_monitor.capture.tracer import Observer, Tracer
from attn_monitor.capture.travel import follow

Operator = Callable[..., object]


def _follow(call: OperatorCall, tracer: Tracer) -> None:
    follow(call)
    if tracer.follower is not None and call.name in LOOKING_UP:
        tracer.follower.looked_up(call)


class CaptureMode(TorchDispatchMode):
    """Runs each operator as it is, then shows the finished call to the family that knows it.

    Why a dispatch mode: an active function mode would move ``nn.TransformerEncoderLayer`` off its
    fused path and so change what the model computes.

    Attributes:
        tracer: Whom calls are shown to; set before the mode is entered.
    """

    tracer: Tracer
    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own signature
        self._known: dict[int, tuple[Operator, Observer | None, str]] = {}
        self._seeing = False
        self._others = 0  # modes around this one

    def __enter__(self) -> Self:
        """See every operator from here on."""
        super().__enter__()  # type: ignore[no-untyped-call]  # torch's own signature
        self._seeing, self._others = True, torch._C._len_torch_dispatch_stack() - 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """See none any more."""
        self.see(True)
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]

    @property
    def is_innermost(self) -> bool:
        """Whether no other mode was entered inside of it and is still there."""
        return bool(torch._C._len_torch_dispatch_stack() == self._others + self._seeing)

    def see(self, wanted: bool) -> None:
        """See operators from here on, or see none; must be innermost.

        Entering and leaving it would cost ten times as much.
        """
        if wanted == self._seeing:
            return
        self._seeing = wanted
        if wanted:
            _push_mode(self)
        else:
            _pop_mode()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep PyTorch from wrapping the method below: the wrapper loads the compiler.

        That takes a second and 75 MB, and no compiler runs during a capture anyway.
        """
        return False

    def __torch_dispatch__(
        self,
        func: Operator,
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Run one operator and let its family look at what it did."""
        kwargs = kwargs or {}
        if torch.is_inference_mode_enabled() and self._splits(func, args):
            # Inference mode skips the layer that splits composite operators, and with it the
            # matmuls inside scaled_dot_product_attention or einsum: split them here.
            with self:
                split: object = func.decompose(*args, **kwargs)
            if split is not NotImplemented:
                return split
        if AWAITED:
            announce(func, args, kwargs)
        result = func(*args, **kwargs)
        tracer = self.tracer
        lessons = tracer.lessons
        # Autograd is running where checkpointing repeats forward operators in the backward pass.
        if (
            tracer.paused
            or torch._C._current_graph_task_id() != -1
            or not (lessons is None or lessons.wants(func))
        ):
            return result
        if tracer.shaken is not None:
            result = tracer.shaken(OperatorCall(func, args, kwargs, result))
        known = self._known.get(id(func))  # by identity: hashing an operator runs Python code
        if known is None:
            known = self._known[id(func)] = func, observer_of(func), operator_name(func)
        _, observer, name = known
        call = OperatorCall(func, args, kwargs, result, name)
        if tracer.follower is not None:
            tracer.guarded(_follow, call)
        if observer is not None:
            tracer.guarded(observer, call)
        if lessons is not None:
            lessons.showed(result)
        return result

    @staticmethod
    def _splits(func: Operator, args: tuple[object, ...]) -> TypeGuard[torch._ops.OpOverload]:
        """Return whether an operator may be split; nested tensors have kernels of their own."""
        nested = any(isinstance(arg, torch.Tensor) and arg.is_nested for arg in args)
        return isinstance(func, torch._ops.OpOverload) and not nested
