"""A disk that runs full: the training's own files have its last bytes, and no half file stays."""

import errno
import os
import resource
import shutil
from collections import namedtuple
from contextlib import contextmanager

import pytest
from recordings import encoder_info, record

from attn_monitor.store import RunWriter, open_run

INFO = encoder_info(lengths=(6, 5))
Disk = namedtuple("Disk", "total used free")


def files(folder):
    return {path.relative_to(folder): path.stat().st_size for path in folder.rglob("*.*")}


def has_left(monkeypatch, *, total, free):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(total, total - free, free))


@pytest.mark.parametrize(
    ("total", "free"), [(10**12, 250 * 10**6), (10**9, 19 * 10**6)], ids=["large", "small"]
)
def test_the_last_of_a_disk_is_left_to_the_training(tmp_path, monkeypatch, total, free):
    with RunWriter(tmp_path, INFO) as writer:
        writer.write(record(INFO, 0))
        before = files(tmp_path)
        has_left(monkeypatch, total=total, free=free)
        assert not writer.has_room()
        with pytest.raises(OSError, match="left to the training's own files") as caught:
            writer.write(record(INFO, 1))
        assert caught.value.errno == errno.ENOSPC
        assert files(tmp_path) == before
        has_left(monkeypatch, total=total, free=2 * free)
        writer.write(record(INFO, 2))
    assert open_run(tmp_path).steps == (0, 2)


def test_a_file_system_that_does_not_say_its_size_is_written_to(tmp_path, monkeypatch):
    has_left(monkeypatch, total=0, free=0)
    with RunWriter(tmp_path, INFO) as writer:
        writer.write(record(INFO, 0))
    assert open_run(tmp_path).steps == (0,)


@contextmanager
def files_of_at_most(size):
    """The system itself ends a file in its middle."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_half_a_file_is_not_left_where_it_did_not_fit(tmp_path):
    with RunWriter(tmp_path, INFO) as writer:
        writer.write(record(INFO, 0))
        before = files(tmp_path)
        with files_of_at_most(50_000), pytest.raises(OSError, match="File too large"):
            writer._folder.write("steps/other.zip", bytes(100_000))
        assert files(tmp_path) == before
        writer._folder.write("steps/other.zip", bytes(100_000))
        assert [size for _, size in files(tmp_path).items() - before.items()] == [100_000]


NO_ROOM = {"a full disk": errno.ENOSPC, "a quota": errno.EDQUOT}


@pytest.mark.parametrize("error", NO_ROOM.values(), ids=NO_ROOM)
def test_a_disk_that_has_room_and_takes_nothing_is_a_full_one(tmp_path, monkeypatch, error):
    with RunWriter(tmp_path, INFO) as writer:
        writer.write(record(INFO, 0))
        assert writer.has_room()
        before = set(files(tmp_path))

        def refuses(_):
            raise OSError(error, os.strerror(error))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuses)
            with pytest.raises(OSError, match=os.strerror(error)):
                writer.write(record(INFO, 1))
        assert not writer.has_room()  # no picture is drawn into the training's own file
        assert set(files(tmp_path)) == before
        assert open_run(tmp_path).steps == (0,)
        writer.write(record(INFO, 2))
        assert writer.has_room()
    assert open_run(tmp_path).steps == (0, 2)
    assert not open_run(tmp_path).problems
