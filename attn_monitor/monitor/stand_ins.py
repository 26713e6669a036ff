"""What a replay is shown in place of what it must not touch: a copy, or what refuses."""

from __future__ import annotations

import functools
import operator
import queue
import sqlite3
import threading
import types
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import sharedctypes
from typing import Any, Final, TypeGuard

import torch
from torch import Tensor

from attn_monitor.monitor.databases import Refused, copied_database
from attn_monitor.monitor.libraries import is_library_code
from attn_monitor.monitor.silence import say_nothing, without_saving
from attn_monitor.monitor.snapshot_reach import CACHED, COUNTERS
from attn_monitor.monitor.states import CannotPutBackError

_Make = Callable[[Any], object]


class Refusing:
    """Stands in a replay for an iterator of one way: it gives nothing to the thread that replays.

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
    return _is_one_way(type(value))


def _is_one_way(kind: type) -> bool:
    if not issubclass(kind, Iterator) or issubclass(kind, COUNTERS):
        return False
    module = kind.__module__
    return module in {"builtins", "itertools", "_csv"} or module.startswith("torch.utils.data")


class StandIns:
    """Finds what a replay is shown: most things themselves, some a stand-in for the time.

    What holds one and cannot be changed is rebuilt around it: tuples, named ones as well, partial
    calls, and an iterator's own ``__next__``. The same thing has the same stand-in wherever it is.
    """

    def __init__(self) -> None:
        self._how: dict[type, _Make | None] = {}
        self._made: dict[int, tuple[object, object]] = {}  # the thing too: it must keep its id

    def __call__(self, value: object) -> object:
        """Return a value as a replay sees it."""
        kind = type(value)
        try:
            make = self._how[kind]
        except KeyError:
            make = self._how[kind] = self._maker(kind)
        return value if make is None else make(value)

    def stands_for(self, value: object) -> bool:
        """Return whether something else is shown for a value."""
        return id(value) in self._made

    def _maker(self, kind: type) -> _Make | None:
        found: _Make | None = None
        if kind in _SIMPLE:
            return found
        if issubclass(kind, Tensor):
            found = self._tensor
        elif issubclass(kind, tuple):
            found = self._tuple
        elif kind is partial:
            found = self._partial
        elif issubclass(kind, types.MethodType | types.MethodWrapperType):
            found = self._method
        elif issubclass(kind, types.FunctionType):
            found = without_saving
        elif issubclass(kind, sqlite3.Connection):
            found = self._database
        elif issubclass(kind, sqlite3.Cursor):
            found = self._once(self._cursor)
        else:
            found = next((self._once(m) for k, m in _BY_KIND if issubclass(kind, k)), None)
            if found is None and _is_one_way(kind):
                found = self._once(Refusing)
        return found

    def _once(self, make: _Make) -> _Make:
        def made(value: object) -> object:
            if id(value) not in self._made:
                self._made[id(value)] = value, make(value)
            return self._made[id(value)][1]

        return made

    def _tensor(self, value: Tensor) -> object:
        return self._once(torch.clone)(value) if value.is_inference() else value

    def _database(self, value: sqlite3.Connection) -> object:
        return self._once(copied_database)(value)

    def _cursor(self, value: sqlite3.Cursor) -> object:
        shown = self._database(value.connection)
        return shown.cursor() if isinstance(shown, sqlite3.Connection) else shown

    def _method(self, value: Any) -> object:  # noqa: ANN401  # a bound method of any kind
        own = value.__self__
        shown = self(own)
        return value if shown is own else getattr(shown, value.__name__)

    def _tuple(self, value: tuple[Any, ...]) -> object:
        items = [self(item) for item in value]
        if all(map(operator.is_, items, value)):
            return value
        return getattr(type(value), "_make", type(value))(items)

    def _partial(self, value: partial[object]) -> object:
        own = [value.func, *value.args, *value.keywords.values()]
        shown: list[Any] = [self(each) for each in own]
        if all(map(operator.is_, shown, own)):
            return value
        args, given = shown[1 : len(value.args) + 1], shown[len(value.args) + 1 :]
        return partial(shown[0], *args, **dict(zip(value.keywords, given, strict=True)))


def _uncached(function: Any) -> object:  # noqa: ANN401  # what `functools.lru_cache` makes
    """Return what a cached function of one's own computes, without a look into its cache."""
    own = getattr(function, "__wrapped__", None)
    if not isinstance(own, types.FunctionType) or is_library_code(own.__code__.co_filename):
        return function

    @functools.wraps(own)
    def computed(*args: object, **kwargs: object) -> object:
        return own(*args, **kwargs)

    vars(computed).update(cache_info=function.cache_info, cache_clear=say_nothing)
    return computed


def _copied_queue(own: Any) -> object:  # noqa: ANN401  # one of the queues of threads
    copied = type(own)(own.maxsize)
    with own.mutex:
        copied.queue = type(own.queue)(own.queue)
        copied.unfinished_tasks = own.unfinished_tasks
    return copied


def _copied_shared(own: Any) -> object:  # noqa: ANN401  # a value shared by processes
    with own.get_lock():
        return sharedctypes.synchronized(sharedctypes.copy(own.get_obj()))


_SIMPLE: Final = frozenset({int, float, str, bool, bytes, type(None), type, dict, list, set})
_BY_KIND: Final[tuple[tuple[type, _Make], ...]] = (
    (CACHED, _uncached),
    (queue.Queue, _copied_queue),
    (queue.SimpleQueue, Refused),
    (sharedctypes.SynchronizedBase, _copied_shared),
)
