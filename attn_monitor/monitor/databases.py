"""Databases of the standard library: a replay works on copies in memory."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import Any, Final

from attn_monitor.monitor.states import CannotPutBackError

_LARGEST: Final = 1 << 28  # bytes
_SIZES: Final = ("page_count", "page_size")


class Refused:
    """Stands in for what cannot be copied: whoever asks it for anything in a replay is refused."""

    def __init__(self, own: object) -> None:
        self._kind = type(own).__name__

    def __getattr__(self, name: str) -> object:
        raise CannotPutBackError(f"the step uses a {self._kind}, which cannot be copied")


def copied_database(own: sqlite3.Connection) -> object:
    """Return a copy of a database in memory, or what refuses where it is too large for that."""
    [pages], [size] = (own.execute(f"PRAGMA {name}").fetchone() for name in _SIZES)
    if pages * size > _LARGEST:
        return Refused(own)
    copied = sqlite3.connect(":memory:", check_same_thread=False)
    if pages:
        copied.deserialize(own.serialize())
    for name in ("row_factory", "text_factory", "isolation_level"):
        setattr(copied, name, getattr(own, name))
    return copied


def connecting(
    own: Callable[..., sqlite3.Connection], here: Callable[[], bool]
) -> Callable[..., object]:
    """Return what stands for ``sqlite3.connect``: whoever replays opens a copy."""

    def connect(database: Any, *args: Any, **kwargs: Any) -> object:  # noqa: ANN401  # any path
        if not here():
            return own(database, *args, **kwargs)
        place = os.fsdecode(database)
        if not kwargs.get("uri") and not os.path.exists(place):
            return own(":memory:", *args, **kwargs)
        return copied_database(own(database, *args, **kwargs))

    return connect
