"""State of every kind that a step may keep: after a replay it is as it was."""

from __future__ import annotations

import bz2
import collections
import contextvars
import copy
import csv
import ctypes
import functools
import gzip
import importlib
import io
import itertools
import logging
import multiprocessing
import os
import queue
import shutil
import sqlite3
import sys
import tempfile
import threading
import types
import weakref
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn, save
from torch.utils.data import DataLoader, Dataset

from attn_monitor.monitor.guard import Guard

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
    globals()["own_state"] = module
    return module


def moved_module():
    own_state.count += 1
    own_state.box.append(1)


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


def replay(held, step):
    """Run a step on what a module holds, in a replay; return the module's guard."""
    module = nn.Linear(1, 1)
    module.held, module.step = held, step
    guard = Guard(module)
    with guard.untouched():
        module.step(module.held)
    assert module.held is held
    return guard


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


def appended(place):
    with (place / "held.txt").open("a") as file:
        file.write("b")


def atomically(place):
    (place / "new.tmp").write_text("b")
    assert (place / "new.tmp").read_text() == "b"
    (place / "new.tmp").replace(place / "held.txt")


def by_a_temporary_file(place):
    with NamedTemporaryFile("w", dir=place, delete=False) as file:
        file.write("b")
    os.replace(file.name, place / "held.txt")


def in_a_temporary_folder(place):
    with tempfile.TemporaryDirectory(dir=place) as folder:
        (Path(folder) / "a.txt").write_text("b")


def a_folder_anew(place):
    shutil.rmtree(place / "folder")
    (place / "folder").mkdir()
    np.save(place / "folder" / "a.npy", np.ones(3))


def by_number(place):
    file = os.open(place / "held.txt", os.O_WRONLY | os.O_APPEND)
    os.write(file, b"b")
    os.close(file)


def into_sqlite(place):
    with sqlite3.connect(place / "held.db") as database:
        database.execute("create table if not exists t (x)")
        add_row(database)


def zipped(place):
    with gzip.open(place / "a.gz", "ab") as file:
        file.write(b"b")
    with bz2.open(place / "held.bz2", "ab") as file:
        file.write(b"b")


def saved(place):
    save(torch.ones(1), place / "a.pt")
    torch.save(torch.ones(1), place / "held.pt")
    memory = io.BytesIO()
    save(torch.ones(1), memory)
    assert memory.tell() > 0


def safe(place):
    save_file({"a": torch.ones(2)}, place / "a.safetensors")


CHANGES = {
    "appended": appended,
    "replaced": atomically,
    "by a temporary file": by_a_temporary_file,
    "in a temporary folder": in_a_temporary_folder,
    "removed": lambda place: (place / "held.txt").unlink(),
    "renamed": lambda place: (place / "held.txt").rename(place / "moved.txt"),
    "a folder anew": a_folder_anew,
    "a new folder": lambda place: (place / "x" / "y").mkdir(parents=True),
    "copied": lambda place: shutil.copy(place / "held.txt", place / "copy.txt"),
    "by number": by_number,
    "in a database": into_sqlite,
    "numbers as text": lambda place: np.savetxt(place / "a.txt", np.ones(2)),
    "a table": lambda place: pd.DataFrame({"a": [1]}).to_csv(place / "held.txt", mode="a"),
    "compressed": zipped,
    "saved": saved,
    "safe tensors": safe,
}


def files(place):
    return {
        str(path.relative_to(place)): path.read_bytes() if path.is_file() else None
        for path in place.rglob("*")
    }


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


@pytest.mark.parametrize("change", CHANGES)
def test_no_file_is_changed_made_or_removed(change, tmp_path):
    np.savetxt(io.StringIO(), [1])  # from here on numpy keeps an `open` of its own
    (tmp_path / "folder").mkdir()
    for name in ("held.txt", "folder/old.txt"):
        (tmp_path / name).write_text("a")
    (tmp_path / "held.pt").write_bytes(b"")
    (tmp_path / "held.bz2").write_bytes(bz2.compress(b"a"))
    sqlite3.connect(tmp_path / "held.db").execute("create table t (x)").connection.close()
    before = files(tmp_path)
    replay(tmp_path, CHANGES[change])
    assert files(tmp_path) == before
    CHANGES[change](tmp_path)
    assert change == "in a temporary folder" or files(tmp_path) != before


def test_a_writer_of_rows_that_alone_knows_its_file_is_put_back(tmp_path):
    file = (tmp_path / "a.csv").open("w", newline="")
    writer = csv.writer(file)
    writer.writerow([1])
    replay(writer, lambda held: held.writerow([2]))
    writer.writerow([3])
    file.close()
    assert (tmp_path / "a.csv").read_text().split() == ["1", "3"]


def test_nothing_is_logged_or_printed(caplog, capsys):
    log = logging.getLogger("own")

    def step(_):
        logging.getLogger("py.warnings").warning("of the monitor")
        log.warning("heard")
        print("heard")

    replay(None, step)
    step(None)
    assert caplog.messages == ["of the monitor", "of the monitor", "heard"]
    assert capsys.readouterr().out == "heard\n"


def test_a_data_set_that_reads_ahead_keeps_its_place():
    rows = Rows(threading.current_thread())
    replay(rows, lambda held: setattr(held, "position", 3))
    assert rows.position == 3


def test_other_threads_write_and_log_while_a_model_is_replayed(tmp_path, caplog):
    def write():
        (tmp_path / "a.tmp").write_text("a")
        (tmp_path / "a.tmp").rename(tmp_path / "a.txt")
        logging.getLogger("own").warning("heard")

    def step(_):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()

    replay(None, step)
    assert files(tmp_path) == {"a.txt": b"a"}
    assert caplog.messages == ["heard"]


def test_what_a_module_takes_hold_of_in_a_replay_works_afterwards(tmp_path, capsys, monkeypatch):
    # As gzip, lzma, shutil and many others do when they are first imported.
    source = "from builtins import open, print; from os import mkdir, replace"
    (tmp_path / "late.py").write_text(f"{source}; from torch import save; from sqlite3 import *")
    monkeypatch.syspath_prepend(tmp_path)
    place = tmp_path / "place"
    place.mkdir()
    replay(None, lambda _: importlib.import_module("late"))
    late = importlib.import_module("late")
    late.mkdir(place / "made")
    with late.open(place / "a.tmp", "w") as file:
        file.write("a")
    late.replace(place / "a.tmp", place / "made" / "a.txt")
    late.save(torch.ones(1), place / "a.pt")
    late.connect(place / "a.db").execute("create table t (x)").connection.close()
    late.print("heard")
    assert set(files(place)) == {"made", "made/a.txt", "a.pt", "a.db"}
    assert capsys.readouterr().out == "heard\n"
