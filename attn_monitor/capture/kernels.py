"""Extension kernels: Python functions that call compiled code no dispatch mode can see.

A registered function is watched only while a capture runs: its code object is exchanged for one
that calls the original and reports the call, so that every alias of it is reached, and put back
at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Final

from attn_monitor.capture.families import flash_attention
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.tracer import Observer, Tracer
from attn_monitor.core.errors import ConfigurationError

_CALLED: Final = "__attn_monitor_watched__"
_KERNELS: dict[FunctionType, Observer] = {}

# Functions of well-known packages, watched without being registered once they are imported.
_KNOWN: Final = {
    ("flash_attn.flash_attn_interface", "flash_attn_func"): flash_attention.flash,
    ("flash_attn.flash_attn_interface", "flash_attn_varlen_func"): flash_attention.varlen,
    ("sageattention.core", "sageattn"): flash_attention.flash,
}


def register_kernel(
    function: Callable[..., object], observer: Observer = flash_attention.flash
) -> None:
    """Let every later capture see calls of an extension kernel.

    Args:
        function: The Python function that calls the kernel, as the model calls it.
        observer: Reads the call's arguments by name and reports the attention. The default
            understands flash-attn's convention: ``q, k, v`` of ``[sentence, token, head, d_head]``
            with ``softmax_scale``, ``causal``, ``window_size``, ``softcap`` and ``alibi_slopes``;
            ``attn_monitor.capture.families.flash_attention.varlen`` its packed one.

    Raises:
        ConfigurationError: It is not a plain Python function.
    """
    if not isinstance(function, FunctionType) or function.__closure__:
        raise ConfigurationError(
            f"register_kernel got {function!r}, wanted a Python function without closure; "
            "register the plain function that calls it"
        )
    _KERNELS[function] = observer


def forget_kernel(function: Callable[..., object]) -> None:
    """Undo :func:`register_kernel`."""
    if isinstance(function, FunctionType):
        _KERNELS.pop(function, None)


@contextmanager
def watching(tracer: Tracer) -> Iterator[None]:
    """Watch the registered and the well-known kernels until the block ends."""
    kernels = {**_imported(), **_KERNELS}
    originals = {function: function.__code__ for function in kernels}
    try:
        for function, observer in kernels.items():
            _exchange(function, observer, tracer)
        yield
    finally:
        for function, code in originals.items():
            function.__code__ = code
            function.__globals__.pop(_CALLED, None)


def _imported() -> dict[FunctionType, Observer]:
    """Return the well-known kernels among the modules that are imported already."""
    found = {}
    for (module, name), observer in _KNOWN.items():
        function = getattr(sys.modules.get(module), name, None)
        if isinstance(function, FunctionType) and not function.__closure__:
            found[function] = observer
    return found


def _exchange(function: FunctionType, observer: Observer, tracer: Tracer) -> None:
    original = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
    )
    original.__kwdefaults__ = function.__kwdefaults__

    def call(*args: object, **kwargs: object) -> object:
        with tracer.pausing() as outermost:
            result: object = original(*args, **kwargs)
        if outermost:
            tracer.guarded(observer, OperatorCall(original, args, kwargs, result))
        return result

    function.__globals__.setdefault(_CALLED, {})[function.__name__] = call
    function.__code__ = _trampoline(function.__name__)


def _trampoline(name: str) -> CodeType:
    """Return code that looks its function up by name and passes every argument on."""
    namespace: dict[str, FunctionType] = {}
    source = f"def {name}(*args, **kwargs):\n    return {_CALLED}[{name!r}](*args, **kwargs)\n"
    exec(source, namespace)  # noqa: S102  # a fixed template around an existing function's name
    return namespace[name].__code__
