"""A monitor must never kill a training run: what goes wrong is said once, and counted."""

from __future__ import annotations

import re
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

_NAMES = re.compile(r"[\w-]*\d[\w-]*")  # of a step, a file, a request: another one every time
_MOST_KINDS = 5


_Rest = ParamSpec("_Rest")


class _Owner(Protocol):
    failures: Failures


_Any = TypeVar("_Any", bound=_Owner)


class AttentionMonitorWarning(UserWarning):
    """Something the monitor could not do; training is not affected."""


class Failures:
    """Count errors and say each kind of them once. Safe to use from several threads."""

    def __init__(self) -> None:
        self.count = 0
        self._said: set[str] = set()
        self._kinds: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        """Return all but the lock: trainers are copied, and sent to other processes."""
        with self._lock:
            return {"count": self.count, "_said": set(self._said), "_kinds": self._kinds.copy()}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Take what another counted so far."""
        self.__dict__.update(state, _lock=threading.Lock())

    @contextmanager
    def contained(self, doing: str) -> Iterator[None]:
        """Run a block whose errors are reported instead of raised.

        Errors that differ in a number alone, or in a name that holds one, are one kind: a step's, a
        file's, a request's. Of one kind of work a few kinds of errors are said.

        Args:
            doing: What was being done, as it continues "while ...".
        """
        try:
            yield
        except Exception as error:  # noqa: BLE001  # whatever it is, the training run goes on
            message = f"{type(error).__name__}: {error}"
            work = _NAMES.sub("#", doing)
            self._say(message, doing=doing, kind=_NAMES.sub("#", message), of=work)

    def report(self, message: str, *, doing: str, once: bool = False) -> None:
        """Count an error; warn the first time this message comes up.

        Args:
            message: What went wrong.
            doing: What was being done, as it continues "while ...".
            once: Say only the first message of this kind of work: for what goes wrong in a
                different way with every sentence.
        """
        self._say(message, doing=doing, kind=doing if once else message)

    def _say(self, message: str, *, doing: str, kind: str, of: str | None = None) -> None:
        with self._lock:
            self.count += 1
            if kind in self._said:
                return
            if of is not None:
                self._kinds[of] += 1
                if self._kinds[of] > _MOST_KINDS:
                    return
                if self._kinds[of] == _MOST_KINDS:
                    message += ". Further errors of other kinds are counted and not said"
            self._said.add(kind)
        text = f"AttentionMonitor, while {doing}: {message}\nTraining goes on without it."
        # Handed to what shows warnings, past the filters: these belong to the whole process, so
        # another thread's "ignore" could swallow this, and "error" would end the training.
        warnings.showwarning(
            AttentionMonitorWarning(text), AttentionMonitorWarning, __file__, lineno=0
        )


def never_raises(
    doing: str,
) -> Callable[[Callable[Concatenate[_Any, _Rest], None]], Callable[Concatenate[_Any, _Rest], None]]:
    """Have a method report its errors to ``self.failures``: whoever calls it is training.

    Args:
        doing: What it does, as it continues "while ...".
    """

    def decorate(
        method: Callable[Concatenate[_Any, _Rest], None],
    ) -> Callable[Concatenate[_Any, _Rest], None]:
        @wraps(method)
        def contained(owner: _Any, /, *args: _Rest.args, **options: _Rest.kwargs) -> None:
            with owner.failures.contained(doing):
                method(owner, *args, **options)

        return contained

    return decorate
