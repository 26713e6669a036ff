"""State of every kind that a step may keep: after a replay it is as it was."""

from __future__ import annotations

import collections
import contextvars
import copy
import ctypes
import functools
import itertools
import multiprocessing
import queue
import sqlite3
import sys
import threading
import types
import weakref

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from tests.replayed_steps import replay

FOUND: dict = {"reads": 0}
COUNTED = contextvars.ContextVar("COUNTED", default=0)


class Box:
    shared = 0

    def __init__(self, value=0):
        self.value = value


class Described:
    """A descriptor that keeps the values of all objects."""

    def __init__(self):
        self.values = {}

    def __get__(self, obj, kind=None):
        return self if obj is None else self.values.get(id(obj), 0)

    def __set__(self, obj, value):
        self.values[id(obj)] = value


class Holder:
    described = Described()
    helper = Box()

    def __init__(self):
        self.seen = []

    @property
    def read(self):
        FOUND["reads"] += 1
        return FOUND["reads"]

    @functools.lru_cache(maxsize=2)  # noqa: B019
    def counted(self, key):
        self.seen.append(key)
        return len(self.seen)


class Private:
    __slots__ = ("__count", "late")

    def __init__(self):
        self.__count = 0

    def add(self):
        self.__count += 1
        return self.__count


class Recent(collections.OrderedDict):
    """Moves what is looked at to the end, and counts who walks over it."""

    walks = 0

    def __getitem__(self, key):
        self.move_to_end(key)
        return super().__getitem__(key)

    def __iter__(self):
        self.walks += 1
        return super().__iter__()


class Asked(list):
    """Counts how often it was asked for its length."""

    asked = 0

    def __len__(self):
        self.asked += 1
        return super().__len__()


class Rows(Dataset):
    """Reads ahead in a thread of its own, if told to."""

    def __init__(self, thread=None):
        self.levels, self.thread, self.position = [0], thread, 0

    def __len__(self):
        return 2


def of_module(name, file):
    module = types.ModuleType(name)
    module.count, module.box = 0, []
    if file:
        module.__file__ = file
    sys.modules[name] = module
    globals()["own_state"] = module  # where `moved_module` reads it, as a user would
    return module


def moved_module():
    own_state.count += 1  # noqa: F821
    own_state.box.append(1)  # noqa: F821


@functools.lru_cache
def squared(number):
    FOUND["squares"] = FOUND.get("squares", 0) + 1
    return number * number


def add_row(table):
    table.execute("insert into t values (1)")


def table():
    made = sqlite3.connect(":memory:")
    made.execute("create table t (x)")
    return made.execute("insert into t values (0)")  # a cursor, with a transaction that is open


def local():
    made = threading.local()
    made.count = 0
    return made


def shared_class_of(held):
    type(held).shared += 1
    type(held).late = 5
    Box.of_all = 1


def one_more(held):
    held[0] += 1


# How state is made, what a step does to it, and how it reads afterwards.
KINDS = {
    "a cached method": (Holder, lambda h: h.counted(7), lambda h: (h.seen, h.counted(1))),
    "a property's": (Holder, lambda h: h.read, lambda _: FOUND["reads"]),
    "a descriptor's": (
        Holder,
        lambda h: setattr(h, "described", h.described + 1),
        lambda h: h.described,
    ),
    "a helper of a class": (
        Holder,
        lambda h: setattr(h.helper, "value", 1),
        lambda h: h.helper.value,
    ),
    "a class": (Box, shared_class_of, lambda _: (Box.shared, "late" in vars(Box))),
    "a class by name": (
        lambda: None,
        lambda _: setattr(Box, "shared", Box.shared + 1),
        lambda _: Box.shared,
    ),
    "a class that is held": (
        lambda: {"kind": Box},
        lambda h: setattr(h["kind"], "shared", 9),
        lambda _: Box.shared,
    ),
    "a module": (
        lambda: of_module("own_state", "/own_state.py"),
        lambda _: moved_module(),
        lambda m: (m.count, m.box),
    ),
    "a module without a file": (
        lambda: of_module("made_state", None),
        lambda _: moved_module(),
        lambda m: (m.count, m.box),
    ),
    "a cached function": (
        lambda: None,
        lambda _: squared(3),
        lambda _: (FOUND.get("squares"), squared.cache_info().currsize),
    ),
    "a weak reference": (
        lambda: (weakref.ref(kept[0]), kept[0])[0],
        lambda ref: setattr(ref(), "value", 1),
        lambda _: kept[0].value,
    ),
    "a weak dict": (
        lambda: weakref.WeakKeyDictionary({kept[0]: [0]}),
        lambda held: held[kept[0]].append(1),
        lambda held: held[kept[0]],
    ),
    "private slots": (Private, Private.add, lambda held: held._Private__count),
    "a slot that was empty": (
        Private,
        lambda held: setattr(held, "late", 1),
        lambda held: hasattr(held, "late"),
    ),
    "a dict that keeps an order": (
        lambda: Recent(a=1, b=2),
        lambda held: (held["a"], held.update(c=3)),
        lambda held: (list(collections.OrderedDict.items(held)), held.walks),
    ),
    "a list that counts": (lambda: Asked([1]), lambda held: held.append(2), lambda h: h.asked),
    "a queue": (queue.Queue, lambda held: held.put(1), lambda held: held.qsize()),
    "a thread's own": (local, lambda held: setattr(held, "count", 1), lambda held: held.count),
    "a context": (lambda: None, lambda _: COUNTED.set(COUNTED.get() + 1), lambda _: COUNTED.get()),
    "a number of C": (
        lambda: ctypes.c_int(3),
        lambda held: setattr(held, "value", 4),
        lambda held: held.value,
    ),
    "a number of processes": (
        lambda: multiprocessing.Value("i", 3),
        lambda held: setattr(held, "value", 4),
        lambda held: held.value,
    ),
    "a view of memory": (lambda: memoryview(bytearray(2)), one_more, bytes),
    "a view of a dict": (
        lambda: types.MappingProxyType({"a": [0]}),
        lambda held: held["a"].append(1),
        lambda held: held["a"],
    ),
    "records": (
        lambda: np.array([(1, np.nan)], dtype=[("n", "i4"), ("x", "f8")]),
        lambda held: held["n"].__iadd__(1),
        lambda held: held["n"].tolist(),
    ),
    "a masked array": (
        lambda: np.ma.zeros(2),
        lambda held: held.__setitem__(0, np.ma.masked),
        lambda held: held.tolist(),
    ),
    "what a mask hides": (
        lambda: np.ma.array([1.0, 2.0], mask=[True, False]),
        lambda held: one_more(held.data),
        lambda held: held.data.tolist(),
    ),
    "a row of a table": (
        lambda: pd.DataFrame({"a": [1]}),
        lambda held: held.loc.__setitem__(1, [2]),
        lambda held: held.to_dict(),
    ),
    "a cell of a table": (
        lambda: pd.DataFrame({"a": [1, 2]}),
        lambda held: held.loc.__setitem__((0, "a"), 9),
        lambda held: held.to_dict(),
    ),
    "a column of a table": (
        lambda: pd.DataFrame({"a": [1, 2]}),
        lambda held: held.__setitem__("b", 9),
        lambda held: held.to_dict(),
    ),
    "a series": (lambda: pd.Series([1.0]), one_more, list),
    "a data set": (
        Rows,
        lambda held: (held.levels.append(1), setattr(held, "late", 1)),
        lambda held: (held.levels, hasattr(held, "late")),
    ),
    "a loader's generator": (
        lambda: DataLoader(Rows(), 1, shuffle=True, generator=torch.Generator()),
        lambda held: torch.rand(1, generator=held.sampler.generator),
        lambda held: held.generator.get_state().tolist(),
    ),
    "a database": (
        table,
        add_row,
        lambda held: held.execute("select count(*) from t").fetchone(),
    ),
}
kept = [Box()]


@pytest.mark.parametrize("kind", KINDS)
def test_state_is_as_it_was_whatever_keeps_it(kind):
    make, step, read = KINDS[kind]
    held = make()
    before = copy.deepcopy(read(held))
    for _ in range(2):
        replay(held, step)
    assert read(held) == before
    step(held)
    if kind not in {"a list that counts"}:
        assert read(held) != before


def first_of_line():
    LINE.get_nowait()


def last_of_line():
    LINE.put(1)


LINE: queue.Queue = queue.Queue()


def test_no_namespace_of_a_module_or_a_class_is_entered():
    def marked():
        pass

    marked.calls = 0
    turns = itertools.count()  # what is renewed makes every holder be written to
    held = [marked, globals(), vars(Box), {"turns": turns}, turns]
    guard = replay(held, lambda each: (next(each[4]), setattr(each[0], "calls", 1)))
    assert marked.calls == 0
    assert next(held[4]) == 0
    assert not {name for name in guard.moved if "__" in name}


def test_what_two_functions_read_by_one_name_is_itself_again():
    before = LINE
    replay([first_of_line, last_of_line], lambda held: held[1]())
    assert LINE is before
    assert LINE.empty()


def test_a_data_set_that_reads_ahead_keeps_its_place():
    rows = Rows(threading.current_thread())
    replay(rows, lambda held: setattr(held, "position", 3))
    assert rows.position == 3
