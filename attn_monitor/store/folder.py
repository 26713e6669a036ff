"""The few file operations a recording needs, on a local disk or behind an fsspec URL.

Two kinds of names live in a folder. *Objects* are written whole and never changed. *Logs* only
grow at their end; on object stores, which cannot append, a log is a row of objects named by the
offset of their first byte, so that appending stays one atomic put and reading on stays cheap.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from attn_monitor.store.local import LocalFolder
from attn_monitor.store.remote import RemoteFolder


@runtime_checkable
class Folder(Protocol):
    """A directory of a recording; names are relative to it and use ``/``."""

    @property
    def location(self) -> str:
        """Where this is, for messages."""
        ...

    def room(self) -> int | None:
        """Return how many bytes may still be written here; ``None`` where nobody knows."""
        ...

    def folders(self, name: str) -> tuple[str, ...]:
        """Return the names of the directories in ``name``, sorted; none if it does not exist."""
        ...

    def sizes(self, name: str) -> dict[str, int]:
        """Return file names in the directory ``name`` and their sizes in bytes."""
        ...

    def size(self, name: str) -> int:
        """Return the size of an object in bytes, or raise ``FileNotFoundError``."""
        ...

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Return bytes ``start`` to ``end`` of an object, or raise ``FileNotFoundError``."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Store an object: afterwards it is there whole and survives a crash, or not at all."""
        ...

    def remove(self, name: str) -> None:
        """Remove an object; one that is not there is fine."""
        ...

    def log_size(self, name: str) -> int:
        """Return how many bytes a log holds; 0 if it does not exist."""
        ...

    def read_log(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Return bytes ``start`` to ``end`` of a log; empty if it does not exist."""
        ...

    def read_log_pieces(self, name: str, pieces: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return several ranges of a log; shorter, or empty, where it does not reach."""
        ...

    def append_log(self, name: str, data: bytes) -> int:
        """Append to a log durably; return the offset of the first new byte."""
        ...

    def truncate_log(self, name: str, size: int) -> None:
        """Drop what follows the first ``size`` bytes of a log."""
        ...


def folder_at(location: str | os.PathLike[str]) -> Folder:
    """Return the folder at a local path or a URL that fsspec understands.

    Args:
        location: ``runs/exp``, ``~/runs/exp``, ``file:///runs/exp``, ``s3://bucket/exp``, ...
    """
    text = os.fspath(location)
    if text.startswith("file://"):
        return LocalFolder(text.removeprefix("file://"))
    return RemoteFolder(text) if "://" in text else LocalFolder(text)
