"""A recording's folder behind an fsspec URL: object stores, memory, anything fsspec speaks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol, cast, runtime_checkable

import fsspec

_Part = tuple[str, int, int]  # object, first byte, end


@runtime_checkable
class _FileSystem(Protocol):
    """The part of fsspec's interface that is used here, with types."""

    def ls(self, path: str, detail: bool = True) -> list[dict[str, object]]: ...
    def info(self, path: str) -> dict[str, object]: ...
    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes: ...
    def cat_ranges(self, paths: list[str], starts: list[int], ends: list[int]) -> list[bytes]: ...
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

    def room(self) -> int | None:
        """Return ``None``: object stores do not say how much they take."""
        return None

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
        segments = self._segments(name)
        stop = segments[-1][1] if segments and end is None else end or 0
        return b"".join(self._read_parts(_overlaps(segments, start, stop)))

    def read_log_pieces(self, name: str, pieces: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return several ranges of a log; shorter, or empty, where it does not reach."""
        segments = self._segments(name)
        parts = [_overlaps(segments, start, end) for start, end in pieces]
        data = iter(self._read_parts([part for group in parts for part in group]))
        return [b"".join(next(data) for _ in group) for group in parts]

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

    def _read_parts(self, parts: Sequence[_Part]) -> list[bytes]:
        """Read parts of objects, all at once where the file system can."""
        if not parts:
            return []
        paths = [self._path(name) for name, _, _ in parts]
        starts = [start for _, start, _ in parts]
        return self._system.cat_ranges(paths, starts, [end for _, _, end in parts])

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


def _overlaps(segments: Sequence[tuple[int, int, str]], start: int, end: int) -> list[_Part]:
    """Return the parts of a log's objects that make up bytes ``start`` to ``end``."""
    at = max(0, bisect_right(segments, start, key=lambda segment: segment[0]) - 1)
    parts: list[_Part] = []
    for first, last, name in segments[at:]:
        if first >= end:
            break
        if max(first, start) < min(last, end):
            parts.append((name, max(0, start - first), min(last, end) - first))
    return parts


def _last(entry: dict[str, object]) -> str:
    return str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]
