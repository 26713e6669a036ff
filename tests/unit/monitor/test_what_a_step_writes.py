"""Files, rows, lines and prints of a step: after a replay there are none."""

from __future__ import annotations

import bz2
import csv
import gzip
import importlib
import io
import logging
import os
import shutil
import sqlite3
import tempfile
import threading
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import save

from tests.replayed_steps import replay


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
        database.execute("insert into t values (1)")


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
