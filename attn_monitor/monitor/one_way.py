"""Iterators whose place can neither be noted nor put back, and what stands in for them."""

from __future__ import annotations

import threading
import types
from collections.abc import Iterator
from functools import partial
from typing import Any, TypeGuard

from attn_monitor.monitor.snapshot_reach import COUNTERS
from attn_monitor.monitor.states import CannotPutBackError


class Refusing:
    """Stands in a replay for such an iterator: it gives nothing to the thread that replays.

    Args:
        own: The iterator. Other threads, a loader's that reads ahead, go on with it.
    """

    def __init__(self, own: Iterator[object]) -> None:
        self._own = own
        self._thread = threading.get_ident()

    def __iter__(self) -> Refusing:
        return self

    def __next__(self) -> object:
        if threading.get_ident() == self._thread:
            raise CannotPutBackError("the step takes from an iterator that cannot be taken back")
        return next(self._own)


def goes_one_way(value: object) -> TypeGuard[Iterator[object]]:
    """Return whether a value is an iterator whose place can neither be noted nor put back."""
    if not isinstance(value, Iterator) or isinstance(value, COUNTERS):
        return False
    module = type(value).__module__
    return module in {"builtins", "itertools", "_csv"} or module.startswith("torch.utils.data")


def refusing(value: object) -> object:
    """Return a value as a replay sees it: itself, or rebuilt around iterators that refuse.

    What holds them and cannot be changed is rebuilt: tuples, named ones as well, partial calls,
    and an iterator's own ``__next__``.
    """
    if goes_one_way(value):
        return Refusing(value)
    if isinstance(value, types.MethodType | types.MethodWrapperType):
        own: object = value.__self__
        takes = value.__name__ == "__next__"
        return Refusing(own).__next__ if takes and goes_one_way(own) else value
    if isinstance(value, tuple):
        items, changed = _all_refusing(value)
        return getattr(type(value), "_make", type(value))(items) if changed else value
    if type(value) is partial:
        (function, *args), changed = _all_refusing((value.func, *value.args))
        return partial(function, *args, **value.keywords) if changed else value
    return value


def _all_refusing(values: tuple[Any, ...]) -> tuple[list[Any], bool]:
    items = [refusing(value) for value in values]
    return items, any(now is not then for now, then in zip(items, values, strict=True))
