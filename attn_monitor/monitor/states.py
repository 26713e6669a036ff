"""The state of things that keep it elsewhere than in attributes, each with how to put it back."""

from __future__ import annotations

import array
import ctypes
import io
import random
import types
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

LARGEST_ARRAY: Final = 1 << 28  # bytes; whole data sets are not what a forward pass writes to
LARGEST_MAPPED: Final = 1 << 24  # bytes of an array that is a file
Undo = Callable[[], bool]  # puts something back; returns whether it had moved


class CannotPutBackError(Exception):
    """Something moved in a replay that nothing can put back."""


def content_of(obj: bytearray | array.array[Any] | np.ndarray) -> Undo | None:
    """Note what bytes or an array hold; ``None`` of what is too large, or a file to read."""
    if not isinstance(obj, np.ndarray):
        return _bytes_of(obj)
    if isinstance(obj, np.memmap):
        fits = obj.nbytes <= LARGEST_MAPPED and obj.mode != "r"
    else:
        fits = obj.nbytes <= LARGEST_ARRAY
    return _array_of(obj) if fits else None


def _bytes_of(obj: bytearray | array.array[Any]) -> Undo:
    """Note the content of a mutable string of bytes, or of an array of the standard library."""
    before: Any = obj[:]

    def undo() -> bool:
        moved = bool(obj != before)
        if moved:
            obj[:] = before
        return moved

    return undo


def _array_of(obj: np.ndarray) -> Undo:
    """Note the numbers of an array; of one that hides some, those as well."""
    before = obj.view(np.ndarray).copy()
    bits = before.tobytes()

    def undo() -> bool:
        resized = obj.shape != before.shape
        moved = resized or obj.view(np.ndarray).tobytes() != bits
        if moved and obj.flags.writeable:
            if resized:
                np.ndarray.resize(obj, before.shape, refcheck=False)
            obj.view(np.ndarray)[...] = before
        return moved

    return undo


def memory_of(obj: Any) -> Undo:  # noqa: ANN401  # the kinds of ctypes have no common type
    """Note the bytes of a value, an array or a structure of `ctypes`."""
    before = bytes(obj)

    def undo() -> bool:
        moved = bytes(obj) != before
        if moved:
            ctypes.memmove(ctypes.addressof(obj), before, len(before))
        return moved

    return undo


def is_frame(obj: object) -> bool:
    """Return whether something is a table or a column of pandas."""
    held = getattr(obj, "__dict__", ())
    return "_mgr" in held and any(base.__name__ == "NDFrame" for base in type(obj).__mro__)


def frame_of(obj: Any) -> Undo:  # noqa: ANN401  # pandas need not be installed
    """Note a table or a column of pandas: what changes in place is in none of its attributes."""
    before = obj.copy(deep=True)

    def undo() -> bool:
        axes = zip(obj.axes, before.axes, strict=True)
        moved = not (obj.equals(before) and all(a.identical(b) for a, b in axes))
        if moved:
            object.__setattr__(obj, "_mgr", before._mgr)
        return moved

    return undo


def unmoved_generator(obj: types.GeneratorType[object, object, object]) -> Undo:
    """Note where a generator stands: if it goes on, nothing brings it back."""
    frame = obj.gi_frame
    place = None if frame is None else (frame.f_lasti, len(frame.f_locals))

    def undo() -> bool:
        now = obj.gi_frame
        if (None if now is None else (now.f_lasti, len(now.f_locals))) != place or _ran(obj, frame):
            raise CannotPutBackError("a generator went on")
        return False

    return undo


def _ran(obj: types.GeneratorType[object, object, object], frame: object) -> bool:
    return obj.gi_frame is not frame


def file_of(obj: Any) -> Undo:  # noqa: ANN401  # the kinds of files have no common type
    """Note how far a file was read or written; what is written after it is cut off."""
    if obj.closed:
        return lambda: False
    try:
        if obj.writable():
            obj.flush()
        place = obj.tell() if obj.seekable() else None
    except (OSError, ValueError):  # a text file inside a for loop does not tell
        place = None
    held = obj.getvalue() if isinstance(obj, io.BytesIO | io.StringIO) else None

    def undo() -> bool:
        if place is None or obj.closed:
            return False
        if obj.writable():
            obj.flush()
        changed = held is not None and held != obj.getvalue()
        moved = changed or obj.tell() != place
        if changed:
            obj.seek(0)
            obj.truncate()
            obj.write(held)
        if moved:
            obj.seek(place)
            if obj.writable() and held is None:
                obj.truncate()
        return bool(moved)

    return undo


def random_state_of(obj: Any) -> Undo | None:  # noqa: ANN401  # whatever is reached
    """Note the state of a random generator of torch, numpy or Python; ``None`` of another thing."""
    get: Callable[[], Any]
    put: Callable[[Any], Any]
    if isinstance(obj, _GENERATORS):
        get, put = _access(obj)
    elif isinstance(obj, np.random.Generator | np.random.BitGenerator):
        bits: Any = obj.bit_generator if isinstance(obj, np.random.Generator) else obj
        get, put = lambda: bits.state, lambda state: setattr(bits, "state", state)
    else:
        return None
    before = get()

    def undo() -> bool:
        moved = not _same_state(get(), before)
        if moved:
            put(before)
        return moved

    return undo


_GENERATORS = (torch.Generator, np.random.RandomState, random.Random)


def _access(obj: Any) -> tuple[Callable[[], Any], Callable[[Any], Any]]:  # noqa: ANN401
    if isinstance(obj, random.Random):
        return obj.getstate, obj.setstate
    return obj.get_state, obj.set_state


def _same_state(one: Any, other: Any) -> bool:  # noqa: ANN401  # as generators give it
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, tuple):
        return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    return repr(one) == repr(other)
