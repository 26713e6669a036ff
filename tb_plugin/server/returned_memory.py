"""Keeping TensorBoard's process small: what answers needed while they were made is given back.

Every request has a thread of its own, and glibc sets up to eight areas of memory per processor
aside for threads. What a question about all steps once needed stays with the area it was made in,
so that the process grows with the number of areas, not with what is remembered.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final

AREAS: Final = 2  # threads that compute in Python run one at a time and need no more
PAUSE: Final = 5.0  # seconds between two returns at least: each takes about a millisecond
_M_ARENA_MAX: Final = -8  # of malloc.h
_CHOSEN: Final = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")  # by who started TensorBoard


def use_few_areas() -> bool:
    """Let threads to come share the areas there are, or two; return whether that was possible.

    Other systems than glibc have no such areas. Where the environment says how many there shall
    be, that holds.
    """
    own = _of_glibc("mallopt")
    if own is None or any(name in os.environ for name in _CHOSEN):
        return False
    return own(_M_ARENA_MAX, AREAS) == 1


class Returns:
    """Returns freed memory to the system now and then. Safe to use from several threads."""

    def __init__(
        self,
        trim: Callable[[int], int] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._trim = _of_glibc("malloc_trim") if trim is None else trim
        self._clock = clock
        self._lock = Lock()
        self._next = clock() + PAUSE

    def answered(self) -> None:
        """Return what is free, unless that was done lately; called after every answer."""
        if self._trim is None:
            return
        with self._lock:
            now = self._clock()
            if now < self._next:
                return
            self._next = now + PAUSE
        self._trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # another libc; Windows has no library of itself
        return None
    return found
