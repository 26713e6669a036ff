"""Keep what a replay would write to files and to trackers from being written, and said."""

from __future__ import annotations

import builtins
import functools
import io
import logging
import os
import sqlite3
import sys
import types
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import torch

from attn_monitor.monitor.databases import connecting
from attn_monitor.monitor.files import Pretence, Replaying

_WRITERS: Final = frozenset({"SummaryWriter", "EventFileWriter", "FileWriter"})
_TRACKERS: Final = frozenset(
    {"tensorboardX", "wandb", "mlflow", "neptune", "comet_ml", "aim", "swanlab", "clearml"}
)
_CALLS: Final = ("log", "log_metric", "log_metrics", "log_param", "log_params", "log_artifact")
_CALLS_OF: Final = {
    **dict.fromkeys(sorted(_TRACKERS), _CALLS),
    "builtins": ("print",),
    "safetensors.torch": ("serialize_file",),
    "safetensors.numpy": ("serialize_file",),
}
_SAVER: Final = ("torch.serialization", "save")


def is_writer(obj: object) -> bool:
    """Return whether an object writes to an event file or to an experiment tracker."""
    kind = type(obj)
    named = any(base.__name__ in _WRITERS for base in kind.__mro__)
    return named or kind.__module__.partition(".")[0] in _TRACKERS


@contextmanager
def nothing_written(writers: Sequence[object]) -> Iterator[None]:
    """Mute writers, logs and prints, and let files change in memory only, in this thread.

    Args:
        writers: Writers that the model holds.
    """
    here = Replaying()
    files = Pretence(here)
    with ExitStack() as stack:
        stack.callback(here.end)
        for writer in writers:
            for name in dir(type(writer)):
                if not name.startswith("_") and callable(getattr(type(writer), name, None)):
                    stack.enter_context(_instead(_names(writer), name, say_nothing))
        for name, calls in _CALLS_OF.items():
            for call in calls if name in sys.modules else ():
                stack.enter_context(_muted_here(sys.modules[name], call, here))
        stack.enter_context(_instead(vars(torch), "save", without_saving(torch.save, here)))
        stack.enter_context(_instead(vars(sqlite3), "connect", connecting(sqlite3.connect, here)))
        stack.enter_context(_logging_nothing(here))
        for held, name in _openers():
            stack.enter_context(_instead(held, name, files.opening(held[name])))
        stack.enter_context(files.in_place())
        yield


def _openers() -> Iterator[tuple[MutableMapping[Any, Any], Any]]:
    """Yield where ``open`` is kept: several modules keep their own."""
    yield vars(builtins), "open"
    yield vars(io), "open"
    if "bz2" in sys.modules and hasattr(sys.modules["bz2"], "_builtin_open"):
        yield vars(sys.modules["bz2"]), "_builtin_open"
    kept = getattr(sys.modules.get("numpy.lib._datasource"), "_file_openers", None)
    openers = getattr(kept, "_file_openers", None)
    if isinstance(openers, dict) and openers.get(None) is not None:
        yield openers, None


@contextmanager
def _logging_nothing(here: Replaying) -> Iterator[None]:
    own = logging.Logger.handle

    @functools.wraps(own)
    def handle(logger: logging.Logger, record: logging.LogRecord) -> object:
        # Warnings that the user has sent there: ours may be among them.
        heard = logger.name == "py.warnings" or not here()
        return own(logger, record) if heard else None

    logging.Logger.handle = handle  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        logging.Logger.handle = own  # type: ignore[method-assign]


def without_saving(function: Any, here: Replaying | None = None) -> object:  # noqa: ANN401
    """Return a function, of any kind, as a replay sees it: ``torch.save`` writes no file."""
    if (function.__module__, function.__name__) != _SAVER:
        return function
    replaying = here or Replaying()

    @functools.wraps(function)
    def save(obj: object, f: object, *args: object, **kwargs: object) -> object:
        quiet = replaying() and isinstance(f, str | os.PathLike)
        return None if quiet else function(obj, f, *args, **kwargs)

    return save


@contextmanager
def _instead(held: MutableMapping[Any, Any], name: object, value: object) -> Iterator[None]:
    had, before = name in held, held.get(name)
    held[name] = value
    try:
        yield
    finally:
        if had:
            held[name] = before
        else:
            held.pop(name, None)


def _names(owner: object) -> MutableMapping[str, Any]:
    """Return an object's attributes, or a dict that nobody asks where it has none."""
    attributes = getattr(owner, "__dict__", None)
    return attributes if isinstance(attributes, dict) else {}


@contextmanager
def _muted_here(module: types.ModuleType, name: str, here: Replaying) -> Iterator[None]:
    own = getattr(module, name, None)
    if not callable(own):
        yield
        return

    def call(*args: object, **kwargs: object) -> object:
        return None if here() else own(*args, **kwargs)

    with _instead(vars(module), name, call):
        yield


def say_nothing(*_: object, **__: object) -> None:
    """Do nothing."""
