"""A recording's folder behind an fsspec URL: object stores, memory, anything fsspec speaks."""

from __future__ import annotations

from typing import Protocol, cast, runtime_checkable

import fsspec


@runtime_checkable
class _FileSystem(Protocol):
    """The part of fsspec's interface that is used here, with types."""

    def ls(self, path: str, detail: bool = True) -> list[dict[str, object]]: ...
    def info(self, path: str) -> dict[str, object]: ...
    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes: ...
    def pipe_file(self, path: str, value: bytes) -> None: ...
    def rm_file(self, path: str) -> None: ...
    def invalidate_cache(self, path: str | None = None) -> None: ...


class RemoteFolder:
    """A prefix of an object store.

    One object is put in one request, which object stores make atomic; there is nothing to flush.
    """

    def __init__(self, url: str) -> None:
        system, root = fsspec.core.url_to_fs(url)
        self._system = cast(_FileSystem, system)
        self._root = str(root).rstrip("/")
        self._url = url.rstrip("/")

    @property
    def location(self) -> str:
        """The URL."""
        return self._url

    def folders(self, name: str) -> tuple[str, ...]:
        """Return the names of the directories in ``name``, sorted; none if it does not exist."""
        found = [_last(entry) for entry in self._list(name) if entry["type"] == "directory"]
        return tuple(sorted(found))

    def sizes(self, name: str) -> dict[str, int]:
        """Return file names in the directory ``name`` and their sizes in bytes."""
        return {
            _last(entry): int(str(entry["size"]))
            for entry in self._list(name)
            if entry["type"] == "file"
        }

    def size(self, name: str) -> int:
        """Return the size of an object in bytes, or raise ``FileNotFoundError``."""
        return int(str(self._system.info(self._path(name))["size"]))

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Return bytes ``start`` to ``end`` of an object, or raise ``FileNotFoundError``."""
        return self._system.cat_file(self._path(name), start=start, end=end)

    def write(self, name: str, data: bytes) -> None:
        """Store an object."""
        self._system.pipe_file(self._path(name), data)

    def remove(self, name: str) -> None:
        """Remove an object; one that is not there is fine."""
        try:
            self._system.rm_file(self._path(name))
        except FileNotFoundError:
            return

    def log_size(self, name: str) -> int:
        """Return how many bytes a log holds; 0 if it does not exist."""
        segments = self._segments(name)
        return segments[-1][1] if segments else 0

    def read_log(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Return bytes ``start`` to ``end`` of a log; empty if it does not exist."""
        pieces: list[bytes] = []
        for first, last, object_name in self._segments(name):
            stop = last if end is None else min(last, end)
            if first < stop and last > start:
                pieces.append(self.read(object_name, max(0, start - first), stop - first))
        return b"".join(pieces)

    def append_log(self, name: str, data: bytes) -> int:
        """Append to a log; return the offset of the first new byte."""
        start = self.log_size(name)
        self.write(f"{name}/{start:016d}", data)
        return start

    def truncate_log(self, name: str, size: int) -> None:
        """Drop what follows the first ``size`` bytes of a log."""
        for first, last, object_name in self._segments(name):
            if first >= size:
                self.remove(object_name)
            elif last > size:
                self.write(object_name, self.read(object_name, 0, size - first))

    def _segments(self, name: str) -> list[tuple[int, int, str]]:
        """Return the (first byte, end, object) of a log's pieces, up to the first gap."""
        segments: list[tuple[int, int, str]] = []
        end = 0
        for piece, size in sorted(self.sizes(name).items()):
            if piece != f"{end:016d}":
                break
            segments.append((end, end + size, f"{name}/{piece}"))
            end += size
        return segments

    def _list(self, name: str) -> list[dict[str, object]]:
        path = self._path(name)
        # Listings are cached by some file systems; a run still being written grows under us.
        self._system.invalidate_cache(path)
        try:
            return self._system.ls(path, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root


def _last(entry: dict[str, object]) -> str:
    return str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]
