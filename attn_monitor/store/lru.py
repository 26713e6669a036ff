"""A cache bounded in bytes and safe to use from threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_EACH = 1000  # bytes that an entry takes beside what it weighs: its key, and the objects around it


class ByteLru(Generic[K, V]):
    """Keeps the most recently used values whose sizes add up to at most ``capacity`` bytes.

    Small values are many: what the entry itself takes counts too.

    A value that changes while a run grows is kept with what it was made from: made anew, it takes
    the place of the old one, which nobody asks for again.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[K, tuple[V, int, Hashable]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Bytes held now."""
        return self._bytes

    def find(self, key: K, *, made_from: Hashable = None) -> V | None:
        """Return the value of ``key``, or ``None`` if it is not there or made from other things."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry[2] != made_from:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def keep(self, key: K, value: V, weight: int, *, made_from: Hashable = None) -> None:
        """Add a value of ``weight`` bytes; one heavier than the capacity is not kept."""
        weight += _EACH
        with self._lock:
            earlier = self._entries.get(key)
            if earlier is not None and earlier[2] == made_from:
                return
            if earlier is not None:
                self._bytes -= self._entries.pop(key)[1]
            if weight > self._capacity:
                return
            self._entries[key] = (value, weight, made_from)
            self._bytes += weight
            while self._bytes > self._capacity:
                self._bytes -= self._entries.popitem(last=False)[1][1]

    def drop(self, key: K) -> None:
        """Forget the value of ``key``, if it is there."""
        with self._lock:
            if key in self._entries:
                self._bytes -= self._entries.pop(key)[1]

    def get(
        self,
        key: K,
        make: Callable[[], V],
        weigh: Callable[[V], int],
        *,
        made_from: Hashable = None,
    ) -> V:
        """Return the value of ``key``, made if it is not there.

        Making happens outside the lock, so that a slow disk blocks one request only; two threads
        that miss the same key at once both make it.

        Args:
            key: What identifies the value.
            make: Makes it.
            weigh: Its size in bytes.
            made_from: What it depends on beside its key.
        """
        value = self.find(key, made_from=made_from)
        if value is None:
            value = make()
            self.keep(key, value, weigh(value), made_from=made_from)
        return value
