"""What a replay does to files, done in memory: nothing on the disk changes."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

_FILE: Final = stat.S_IFREG | 0o644
_PRIVATE: Final = 0o700  # a folder of `tempfile`, which others may go on to use
_WRITES: Final = os.O_WRONLY | os.O_RDWR
# What changes a path and has no answer; what removes, moves and makes one is pretended below.
_MUTED: Final = ("truncate", "link", "symlink", "chmod", "chown", "utime")


class Replaying:
    """Whether it is this thread that replays, now.

    Other threads work as ever, and so does everything later that took hold of a stand-in
    meanwhile: a module that was first imported in a replay keeps the ``open`` that it found.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._over = False

    def __call__(self) -> bool:
        """Return whether what is asked for now is asked for by the replay."""
        return not self._over and threading.get_ident() == self._thread

    def end(self) -> None:
        """From here on nobody replays."""
        self._over = True


class Pretence:
    """The file operations of the thread that replays.

    What is opened for writing is kept in memory, and found there by whoever opens it again. What is
    removed or renamed stays, and what is made anew is removed in the end.
    """

    def __init__(self, here: Replaying) -> None:
        self._here = here
        self._written: dict[str, bytes] = {}
        self._gone: set[str] = set()
        self._temporary: list[str] = []  # files and folders whose maker removes them
        self._folders: list[str] = []

    def opening(self, own: Callable[..., Any]) -> Callable[..., Any]:
        """Return what stands for the built-in ``open``."""

        def open_(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            named = isinstance(file, str | bytes | os.PathLike)
            if not self._here() or not named or kwargs.get("opener"):
                return own(file, mode, *args, **kwargs)
            path, writes = _path(file), bool(set(str(mode)) & set("wax+"))
            if not writes and path not in self._written:
                return own(file, mode, *args, **kwargs)
            held = b"" if set(str(mode)) & set("wx") else self._content(path, own)
            memory = _Kept(self._written, path, held) if writes else io.BytesIO(held)
            if writes:
                self._gone.discard(path)
                self._written[path] = held
            memory.seek(0, 2 if "a" in mode else 0)
            if "b" in mode:
                return memory
            encoding = kwargs.get("encoding") or "utf-8"
            return io.TextIOWrapper(memory, encoding=encoding, newline=kwargs.get("newline"))

        return open_

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Pretend what is asked of the operating system."""
        stand_ins: dict[str, Callable[..., Any]] = {
            "open": self._open(os.open),
            "stat": self._stat(os.stat),
            "mkdir": self._mkdir(os.mkdir),
            "rename": self._renamed(os.rename),
            "replace": self._renamed(os.replace),
            **{name: self._removed(getattr(os, name)) for name in ("remove", "unlink", "rmdir")},
            **{name: self._muted(getattr(os, name)) for name in _MUTED if hasattr(os, name)},
        }
        before = {name: getattr(os, name) for name in stand_ins}
        vars(os).update(stand_ins)
        try:
            yield
        finally:
            vars(os).update(before)
            for path in reversed(self._folders):
                with suppress(OSError):  # gone, or another thread writes there
                    os.rmdir(path)

    def _content(self, path: str, own: Callable[..., Any]) -> bytes:
        if path in self._written:
            return self._written[path]
        try:
            with own(path, "rb") as found:
                return bytes(found.read())
        except OSError:
            return b""

    def _open(self, own: Callable[..., int]) -> Callable[..., int]:
        def open_(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:  # noqa: ANN401
            if not self._here() or not flags & _WRITES:
                return own(path, flags, *args, **kwargs)
            if flags & os.O_EXCL:  # a temporary file, which its maker reads again
                found = own(path, flags, *args, **kwargs)
                self._temporary.append(_path(path))
                return found
            return own(os.devnull, flags & _WRITES)

        return open_

    def _stat(self, own: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def stat_(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:  # noqa: ANN401
            if self._here() and isinstance(path, str | bytes | os.PathLike):
                place = _path(path)
                if place in self._written:
                    size = len(self._written[place])
                    return os.stat_result((_FILE, 0, 0, 1, 0, 0, size, 0, 0, 0))
                if place in self._gone:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), place)
            return own(path, *args, **kwargs)

        return stat_

    def _mkdir(self, own: Callable[..., None]) -> Callable[..., None]:
        def mkdir(path: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # any path
            if self._here() and _path(path) in self._gone:
                self._gone.discard(_path(path))
                return
            own(path, *args, **kwargs)
            if self._here():
                made = self._temporary if _PRIVATE in args else self._folders
                made.append(_path(path))

        return mkdir

    def _removed(self, own: Callable[..., None]) -> Callable[..., None]:
        def remove(path: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # any path
            if not self._here():
                return own(path, *args, **kwargs)
            place = _path(path)
            for made in (self._temporary, self._folders):
                if place in made:
                    made.remove(place)
                    return own(path, *args, **kwargs)
            self._gone.add(place)
            self._written.pop(place, None)
            return None

        return remove

    def _renamed(self, own: Callable[..., None]) -> Callable[..., None]:
        def rename(src: Any, dst: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            if not self._here():
                own(src, dst, *args, **kwargs)
                return
            source, target = _path(src), _path(dst)
            if source in self._written:
                self._written[target] = self._written.pop(source)
            elif os.path.isfile(source):
                with open(source, "rb") as file:
                    self._written[target] = file.read()
            if source in self._temporary:
                os.unlink(source)
            self._gone.discard(target)
            self._gone.add(source)

        return rename

    def _muted(self, own: Callable[..., None]) -> Callable[..., None]:
        def call(*args: object, **kwargs: object) -> None:
            if not self._here():
                own(*args, **kwargs)

        return call


class _Kept(io.BytesIO):
    """A file in memory, whose content is known by its path when it is closed."""

    def __init__(self, written: dict[str, bytes], path: str, held: bytes) -> None:
        super().__init__(held)
        self._written, self._path = written, path

    def close(self) -> None:
        if not self.closed:
            self._written[self._path] = self.getvalue()
        super().close()


def _path(path: str | bytes | os.PathLike[Any]) -> str:
    return os.path.abspath(os.fsdecode(path))
