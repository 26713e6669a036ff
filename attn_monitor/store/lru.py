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
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Bytes held now."""
        return self._bytes

    def find(self, key: K) -> V | None:
        """Return the value of ``key``, or ``None`` if it is not there."""
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def keep(self, key: K, value: V, weight: int) -> None:
        """Add a value of ``weight`` bytes; one heavier than the capacity is not kept."""
        weight += _EACH
        with self._lock:
            if key in self._entries or weight > self._capacity:
                return
            self._entries[key] = (value, weight)
            self._bytes += weight
            while self._bytes > self._capacity:
                _, (_, dropped) = self._entries.popitem(last=False)
                self._bytes -= dropped

    def drop(self, key: K) -> None:
        """Forget the value of ``key``, if it is there."""
        with self._lock:
            if key in self._entries:
                self._bytes -= self._entries.pop(key)[1]

    def get(self, key: K, make: Callable[[], V], weigh: Callable[[V], int]) -> V:
        """Return the value of ``key``, made if it is not there.

        Making happens outside the lock, so that a slow disk blocks one request only; two threads
        that miss the same key at once both make it.

        Args:
            key: What identifies the value.
            make: Makes it.
            weigh: Its size in bytes.
        """
        value = self.find(key)
        if value is None:
            value = make()
            self.keep(key, value, weigh(value))
        return value
