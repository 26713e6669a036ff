"""A disk that runs full: the training's own files have its last bytes, and no half file stays."""

import errno
import os
import shutil
from collections import namedtuple

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


def test_half_a_file_is_not_left_where_it_did_not_fit(tmp_path, monkeypatch):
    with RunWriter(tmp_path, INFO) as writer:
        writer.write(record(INFO, 0))

        def full(_):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                writer._folder.write("steps/other", bytes(1000))
        assert not [path for path in files(tmp_path) if "other" in path.name]
