"""Notes on tensors: attributes that live as long as their tensor, at most as long as a capture.

They are taken off again at the end, because a tensor with foreign attributes no longer saves and
loads like a plain one.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from torch import Tensor

TAG: Final = "_attn_monitor_tag"
WIDTH: Final = "_attn_monitor_width"
ORIGIN: Final = "_attn_monitor_origin"
_MANY: Final = 4096


class _Noted(threading.local):
    """The tensors of this thread that carry notes, and how many captures are running."""

    def __init__(self) -> None:
        self.captures = 0
        self.limit = _MANY
        self.tensors: list[weakref.ReferenceType[Tensor]] = []


_noted = _Noted()


@contextmanager
def taking_notes() -> Iterator[None]:
    """Take all notes off the surviving tensors when the outermost capture ends."""
    _noted.captures += 1
    try:
        yield
    finally:
        _noted.captures -= 1
        if _noted.captures == 0:
            _wipe()


def write_note(tensor: Tensor, name: str, content: object) -> None:
    """Attach a note, replacing an older one of that name."""
    if not hasattr(tensor, name):
        tensors = _noted.tensors
        tensors.append(weakref.ref(tensor))
        if not len(tensors) % _MANY and len(tensors) > _noted.limit:
            _noted.tensors = [ref for ref in _noted.tensors if ref() is not None]
            _noted.limit = max(_MANY, 2 * len(_noted.tensors))
    setattr(tensor, name, content)


def _wipe() -> None:
    for ref in _noted.tensors:
        tensor = ref()
        if tensor is None:
            continue
        for name in (TAG, WIDTH, ORIGIN):
            if name in tensor.__dict__:
                delattr(tensor, name)
    _noted.tensors.clear()
