"""A monitor must never kill a training run: what goes wrong is said once, and counted."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+")


class AttentionMonitorWarning(UserWarning):
    """Something the monitor could not do; training is not affected."""


class Failures:
    """Count errors and say each kind of them once. Safe to use from several threads."""

    def __init__(self) -> None:
        self.count = 0
        self._said: set[str] = set()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        """Return all but the lock: trainers are copied, and sent to other processes."""
        with self._lock:
            return {"count": self.count, "_said": set(self._said)}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Take what another counted so far."""
        self.__dict__.update(state, _lock=threading.Lock())

    @contextmanager
    def contained(self, doing: str) -> Iterator[None]:
        """Run a block whose errors are reported instead of raised.

        Errors that differ in their numbers alone are one kind: a step's, a file's.

        Args:
            doing: What was being done, as it continues "while ...".
        """
        try:
            yield
        except Exception as error:  # noqa: BLE001  # whatever it is, the training run goes on
            message = f"{type(error).__name__}: {error}"
            self._say(message, doing=doing, kind=_NUMBERS.sub("#", message))

    def report(self, message: str, *, doing: str, once: bool = False) -> None:
        """Count an error; warn the first time this message comes up.

        Args:
            message: What went wrong.
            doing: What was being done, as it continues "while ...".
            once: Say only the first message of this kind of work: for what goes wrong in a
                different way with every sentence.
        """
        self._say(message, doing=doing, kind=doing if once else message)

    def _say(self, message: str, *, doing: str, kind: str) -> None:
        with self._lock:
            self.count += 1
            if kind in self._said:
                return
            self._said.add(kind)
        text = f"AttentionMonitor, while {doing}: {message}\nTraining goes on without it."
        # Handed to what shows warnings, past the filters: these belong to the whole process, so
        # another thread's "ignore" could swallow this, and "error" would end the training.
        warnings.showwarning(
            AttentionMonitorWarning(text), AttentionMonitorWarning, __file__, lineno=0
        )
