"""Keep what a replay would write to files and to trackers from being written."""

from __future__ import annotations

import builtins
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import torch

_WRITERS: Final = frozenset({"SummaryWriter", "EventFileWriter", "FileWriter"})
_TRACKERS: Final = frozenset(
    {"tensorboardX", "wandb", "mlflow", "neptune", "comet_ml", "aim", "swanlab", "clearml"}
)
_CALLS: Final = ("log", "log_metric", "log_metrics", "log_param", "log_params", "log_artifact")


def is_writer(obj: object) -> bool:
    """Return whether an object writes to an event file or to an experiment tracker."""
    kind = type(obj)
    named = any(base.__name__ in _WRITERS for base in kind.__mro__)
    return named or kind.__module__.partition(".")[0] in _TRACKERS


@contextmanager
def nothing_written(writers: Sequence[object]) -> Iterator[None]:
    """Mute writers, and open files for writing in memory only, in this thread.

    Args:
        writers: Writers that the model holds.
    """
    here = threading.get_ident()
    with ExitStack() as stack:
        for writer in writers:
            for name in dir(type(writer)):
                if not name.startswith("_") and callable(getattr(type(writer), name, None)):
                    stack.enter_context(_instead(writer, name, _say_nothing))
        for name in _TRACKERS & sys.modules.keys():
            for call in _CALLS:
                stack.enter_context(_muted_here(sys.modules[name], call, here))
        stack.enter_context(_muted_here(torch, "save", here))
        for module in (builtins, io):
            stack.enter_context(_instead(module, "open", _opening(module.open, here)))
        yield


@contextmanager
def _instead(owner: Any, name: str, value: object) -> Iterator[None]:  # noqa: ANN401  # any object
    attributes = getattr(owner, "__dict__", None)
    if not isinstance(attributes, dict):
        yield
        return
    had, before = name in attributes, attributes.get(name)
    attributes[name] = value
    try:
        yield
    finally:
        if had:
            attributes[name] = before
        else:
            attributes.pop(name, None)


@contextmanager
def _muted_here(owner: Any, name: str, thread: int) -> Iterator[None]:  # noqa: ANN401  # a module
    own = getattr(owner, name, None)
    if not callable(own):
        yield
        return

    def call(*args: object, **kwargs: object) -> object:
        return None if threading.get_ident() == thread else own(*args, **kwargs)

    with _instead(owner, name, call):
        yield


def _opening(own: Callable[..., Any], thread: int) -> Callable[..., Any]:
    def open_(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        writes = set(str(mode)) & set("wax+")
        if threading.get_ident() != thread or not writes or isinstance(file, int):
            return own(file, mode, *args, **kwargs)
        held = b"" if set(str(mode)) & set("wx") else _content(file, own)
        end = 2 if "a" in mode else 0
        memory = io.BytesIO(held)
        memory.seek(0, end)
        if "b" in mode:
            return memory
        encoding = kwargs.get("encoding") or "utf-8"
        return io.TextIOWrapper(memory, encoding=encoding, newline=kwargs.get("newline"))

    return open_


def _content(file: str | os.PathLike[str], own: Callable[..., Any]) -> bytes:
    try:
        with own(file, "rb") as found:
            return bytes(found.read())
    except OSError:
        return b""


def _say_nothing(*_: object, **__: object) -> None:
    pass
