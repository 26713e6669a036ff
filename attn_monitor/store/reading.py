"""The one place where errors of a disk or a network become errors of ours, for whoever reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from attn_monitor.core.errors import AttnMonitorError, CorruptRecordingError, MissingFileError
from attn_monitor.store.folder import Folder

_Found = TypeVar("_Found")


class ReadOnlyFolder:
    """A recording's folder as readers see it: the reading half of ``Folder``.

    Every method raises ``MissingFileError`` where a file is not there, and
    ``CorruptRecordingError`` where it cannot be read, whatever the disk has against it.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    @property
    def location(self) -> str:
        """Where this is, for messages."""
        return self._folder.location

    def folders(self, name: str) -> tuple[str, ...]:
        """Return the names of the directories in ``name``, sorted; none if it does not exist."""
        return self._ask(name, lambda: self._folder.folders(name))

    def sizes(self, name: str) -> dict[str, int]:
        """Return file names in the directory ``name`` and their sizes in bytes."""
        return self._ask(name, lambda: self._folder.sizes(name))

    def size(self, name: str) -> int:
        """Return the size of an object in bytes."""
        return self._ask(name, lambda: self._folder.size(name))

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Return bytes ``start`` to ``end`` of an object."""
        return self._ask(name, lambda: self._folder.read(name, start, end))

    def log_size(self, name: str) -> int:
        """Return how many bytes a log holds; 0 if it does not exist."""
        return self._ask(name, lambda: self._folder.log_size(name))

    def read_log(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Return bytes ``start`` to ``end`` of a log; empty if it does not exist."""
        return self._ask(name, lambda: self._folder.read_log(name, start, end))

    def read_log_pieces(self, name: str, pieces: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return several ranges of a log; shorter, or empty, where it does not reach."""
        return self._ask(name, lambda: self._folder.read_log_pieces(name, pieces))

    def _ask(self, name: str, read: Callable[[], _Found]) -> _Found:
        where = f"{self.location}/{name}"
        try:
            return read()
        except AttnMonitorError:
            raise
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingFileError(f"{where} is missing") from error
        except MemoryError:
            raise CorruptRecordingError(f"{where} is too large to read") from None
        except Exception as error:  # what file systems behind a URL raise is anybody's guess
            said = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            raise CorruptRecordingError(f"{where} cannot be read: {said}") from error
