"""Which runs have a recording, and the recordings that are open.

TensorBoard's event files say *which runs* to look at: the callback leaves markers in them. What a
run *contains* is read from the recording itself. Event files are sampled, hold duplicate steps
after a resume and lag behind; ``commits.jsonl`` is exact and is what the arrays were committed to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from attn_monitor.core.errors import AttnMonitorError, RunNotFoundError
from attn_monitor.store import Run, open_run
from tb_plugin.server.rundirs import RunDirs

ListRuns = Callable[[], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run in the index: see ``http_api.md``, ``/index``."""

    name: str
    state: str
    message: str | None
    version: str
    steps: int

    def as_json(self) -> Mapping[str, object]:
        """Return the entry as it is sent."""
        return {
            "name": self.name,
            "state": self.state,
            "message": self.message,
            "version": self.version,
            "steps": self.steps,
        }


class RunIndex:
    """Keeps recordings open and up to date. Safe to use from several threads."""

    def __init__(self, dirs: RunDirs) -> None:
        self._dirs = dirs
        self._lock = Lock()
        self._open: dict[str, Run] = {}
        self._names: frozenset[str] = frozenset()

    def index(self, list_runs: ListRuns) -> Mapping[str, object]:
        """Return all runs with their state, having looked for new steps; see ``/index``.

        Args:
            list_runs: Asks TensorBoard which runs have markers.
        """
        entries = [self._entry(name) for name in self._list(list_runs)]
        return describe_index(entries, self._dirs.notice)

    def run(self, name: str, list_runs: ListRuns, *, fresh: bool) -> Run:
        """Return a recording that does not change any more.

        Args:
            name: A run that TensorBoard lists.
            list_runs: Asks TensorBoard which runs have markers.
            fresh: Look for new steps first.

        Raises:
            RunNotFoundError: TensorBoard lists no such run, or it has no recording.
            CorruptRecordingError: The recording cannot be read.
        """
        if name not in self._names and name not in self._list(list_runs):
            raise RunNotFoundError(f"no run {name!r} with recorded attention in this log directory")
        run, is_new = self._opened(name)
        if fresh and not is_new:
            run.refresh()
        return run.snapshot()

    def _list(self, list_runs: ListRuns) -> tuple[str, ...]:
        names = tuple(sorted(list_runs()))
        self._names = frozenset(names)
        with self._lock:
            for gone in self._open.keys() - self._names:
                del self._open[gone]
        return names

    def _opened(self, name: str) -> tuple[Run, bool]:
        with self._lock:
            run = self._open.get(name)
        if run is not None:
            return run, False
        run = open_run(self._dirs.find(name))
        with self._lock:
            return self._open.setdefault(name, run), True

    def _entry(self, name: str) -> Entry:
        try:
            run, is_new = self._opened(name)
            if not is_new:
                run.refresh()
            now = run.snapshot()
        except (AttnMonitorError, OSError) as error:
            message = str(error)
            version = _digest(message)
            return Entry(name=name, state="failed", message=message, version=version, steps=0)
        return describe_entry(name, now)


def describe_entry(name: str, run: Run) -> Entry:
    """Return what the list of runs says about a recording that can be read."""
    return Entry(
        name=name,
        state="ok",
        message="; ".join(run.problems[:3]) or None,
        version=run.version,
        steps=len(run.steps),
    )


def describe_index(entries: Sequence[Entry], notice: str | None = None) -> Mapping[str, object]:
    """Return the list of runs; see ``http_api.md``, ``/index``."""
    versions = [f"{entry.name}\0{entry.version}" for entry in entries]
    return {
        "version": _digest("\1".join([notice or "", *versions])),
        "runs": [entry.as_json() for entry in entries],
        "notice": notice,
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
