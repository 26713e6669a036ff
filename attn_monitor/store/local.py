"""A recording's folder on a local disk: durable writes, reads that cannot leave the folder."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from attn_monitor.core.errors import CorruptRecordingError

TEMPORARY = ".tmp"
# What is left to checkpoints and logs of the training when a disk runs full: they matter more.
RESERVE_MB = 256
_RESERVE_SHARE = 0.02  # of a disk so small that the former would be most of it


class LocalFolder:
    """A directory on this machine.

    The directory itself may be reached through links (people collect runs that way); what lies
    below it may not lead out of it, and only regular files are opened.
    """

    def __init__(self, path: str) -> None:
        self._root = Path(os.path.realpath(Path(path).expanduser()))

    @property
    def location(self) -> str:
        """Absolute path without links."""
        return str(self._root)

    def room(self) -> int | None:
        """Return how many bytes are left beyond what is left to the training's own files.

        ``None`` where the file system does not say how large it is, as some behind FUSE.
        """
        at = self._root
        while not at.exists() and at != at.parent:
            at = at.parent
        disk = shutil.disk_usage(at)
        if not disk.total:
            return None
        return disk.free - int(min(RESERVE_MB * 1e6, _RESERVE_SHARE * disk.total))

    def folders(self, name: str) -> tuple[str, ...]:
        """Return the names of the directories in ``name``, sorted; none if it does not exist."""
        try:
            with os.scandir(self._inside(name)) as entries:
                return tuple(sorted(entry.name for entry in entries if _is_directory(entry)))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def sizes(self, name: str) -> dict[str, int]:
        """Return file names in the directory ``name`` and their sizes in bytes."""
        try:
            with os.scandir(self._inside(name)) as entries:
                found = {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {file: info.st_size for file, info in found.items() if stat.S_ISREG(info.st_mode)}

    def size(self, name: str) -> int:
        """Return the size of an object in bytes, or raise ``FileNotFoundError``."""
        return self._regular(name).stat().st_size

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Return bytes ``start`` to ``end`` of an object, or raise ``FileNotFoundError``."""
        with self._regular(name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return _piece(file, start, size if end is None else min(end, size))

    def write(self, name: str, data: bytes) -> None:
        """Store an object: afterwards it is there whole and survives a crash, or not at all."""
        path = self._inside(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + TEMPORARY)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                _flush(file.fileno())
            temporary.replace(path)
        except OSError:  # on a full disk, half a file takes what others could use
            with suppress(OSError):
                temporary.unlink()
            raise
        _flush_directory(path.parent)

    def remove(self, name: str) -> None:
        """Remove an object; one that is not there is fine."""
        self._inside(name).unlink(missing_ok=True)

    def log_size(self, name: str) -> int:
        """Return how many bytes a log holds; 0 if it does not exist."""
        try:
            return self.size(name)
        except FileNotFoundError:
            return 0

    def read_log(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Return bytes ``start`` to ``end`` of a log; empty if it does not exist."""
        try:
            return self.read(name, start, end)
        except FileNotFoundError:
            return b""

    def read_log_pieces(self, name: str, pieces: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return several ranges of a log; shorter, or empty, where it does not reach."""
        try:
            with self._regular(name).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                return [_piece(file, start, min(end, size)) for start, end in pieces]
        except FileNotFoundError:
            return [b"" for _ in pieces]

    def append_log(self, name: str, data: bytes) -> int:
        """Append to a log durably; return the offset of the first new byte."""
        path = self._inside(name)
        is_new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data)
            file.flush()
            _flush(file.fileno())
            # The position after an append is where *these* bytes ended, whoever else appends.
            start = file.tell() - len(data)
        if is_new:
            _flush_directory(path.parent)
        return start

    def truncate_log(self, name: str, size: int) -> None:
        """Drop what follows the first ``size`` bytes of a log."""
        with self._inside(name).open("r+b") as file:
            file.truncate(size)
            _flush(file.fileno())

    def _inside(self, name: str) -> Path:
        if self._has_no_links(name):
            return self._root / name
        path = Path(os.path.realpath(self._root / name))
        if path != self._root and self._root not in path.parents:
            raise CorruptRecordingError(
                f"{name} under {self._root} leads out of that directory; links inside a recording "
                "are not followed"
            )
        return path

    def _has_no_links(self, name: str) -> bool:
        """Return whether ``name`` is below the root and no piece of it a link."""
        at = str(self._root)
        for piece in name.split("/"):
            if piece in {"", ".", ".."} or os.sep != "/":
                return False
            at = f"{at}/{piece}"
            try:
                if stat.S_ISLNK(os.lstat(at).st_mode):
                    return False
            except OSError:
                return False
        return True

    def _regular(self, name: str) -> Path:
        path = self._inside(name)
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe or a device could hang
            raise FileNotFoundError(f"{path} is not a regular file")
        return path


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _piece(file: BinaryIO, start: int, end: int) -> bytes:
    """Read up to ``end``, which must not exceed the file: Python sets aside what is asked for."""
    if start >= end:
        return b""
    file.seek(start)
    return file.read(end - start)


def _flush(descriptor: int) -> None:
    os.fsync(descriptor)


def _flush_directory(path: Path) -> None:
    if os.name == "nt":  # Windows cannot open directories; NTFS journals the rename itself
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _flush(descriptor)
    finally:
        os.close(descriptor)
