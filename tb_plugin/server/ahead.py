"""Importing what clusterings need while somebody looks at the page, not while they wait for one."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence

HEAVY = ("sklearn.cluster", "sklearn.metrics", "scipy.optimize", "tb_plugin.server.lens")
PAUSE = 2.0  # seconds: what the page shows first comes first


class Ahead:
    """Imports some modules once, in a thread of its own.

    They take a second or two: TensorBoard does not wait for them when it starts, and neither does
    the first question about a head's clusters, unless it comes before the page was there.
    """

    def __init__(self, names: Sequence[str] = HEAVY, *, pause: float = PAUSE) -> None:
        """Import ``names``, ``pause`` seconds after :meth:`begin`."""
        self._names = names
        self._pause = pause
        self._lock = threading.Lock()
        self._thread: threading.Timer | None = None

    def begin(self) -> None:
        """Begin, if that was not done; returns at once."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Timer(self._pause, self._import)
                self._thread.daemon = True
                self._thread.start()

    def join(self) -> None:
        """Wait for the end of what was begun."""
        if self._thread is not None:
            self._thread.join()

    def _import(self) -> None:
        for name in self._names:
            try:
                importlib.import_module(name)
            except Exception:  # noqa: BLE001, S112  # the question that needs it says what is wrong
                continue
