"""Keeps up with a run while its ranks record: looks for ranks, joins what they have."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence

from attn_monitor.core.errors import AttnMonitorError, RunNotFoundError
from attn_monitor.store.names import ASKED_FOLDER, PLUGIN_FOLDER
from attn_monitor.store.rank import RankReader, RankView
from attn_monitor.store.reading import ReadOnlyFolder
from attn_monitor.store.union import RunView, join

MOST_BYTES = 150_000_000  # what all ranks of a run may take in memory
_RANK = re.compile(r"rank_\d{4}")


class RunFollower:
    """Reads a run's ranks; :meth:`refresh` costs little while nothing is new."""

    def __init__(self, folder: ReadOnlyFolder) -> None:
        self._folder = folder
        self._readers: dict[str, RankReader] = {}
        self._seen: tuple[list[RankView], list[RankView], list[str]] = ([], [], [])
        self._joined: RunView | None = None

    def refresh(self) -> RunView:
        """Return the run as it is now; the same object as before if nothing has changed.

        Raises:
            RunNotFoundError: There is no recording.
            CorruptRecordingError: No rank's description can be read.
        """
        names = self._folder.folders(PLUGIN_FOLDER)
        ranks = [name for name in names if _RANK.fullmatch(name)]
        views, errors = self._read(ranks, most_bytes=MOST_BYTES)
        if not views:
            raise errors[0] if errors else self._nothing_found()
        held = sum(self._readers[name].held_bytes for name in ranks)
        later = [name for name in names if ASKED_FOLDER.fullmatch(name)]
        asked, more = self._read(later, most_bytes=MOST_BYTES - held)
        problems = [str(error) for error in (*errors, *more)]
        known, earlier, before = self._seen
        same = _same(views, known) and _same(asked, earlier)
        if self._joined is None or not same or problems != before:
            self._joined = join(views, asked=asked, problems=problems)
            self._seen = (views, asked, problems)
        return self._joined

    @property
    def location(self) -> str:
        """The run's directory."""
        return self._folder.location

    def _read(
        self, names: Sequence[str], *, most_bytes: int
    ) -> tuple[list[RankView], list[AttnMonitorError]]:
        views: list[RankView] = []
        errors: list[AttnMonitorError] = []
        left = most_bytes
        for name in names:
            if name not in self._readers:
                self._readers[name] = RankReader(self._folder, f"{PLUGIN_FOLDER}/{name}")
            try:
                view = self._readers[name].refresh(most_bytes=max(0, left))
                left -= self._readers[name].held_bytes
            except AttnMonitorError as error:
                errors.append(_alone(error))
            else:
                views += [] if view is None else [view]
        return views, errors

    def _nothing_found(self) -> RunNotFoundError:
        return RunNotFoundError(
            f"no attention recording under {self._folder.location}; was AttentionMonitor among "
            "the Trainer's callbacks, and is this the run's directory (the one with the event "
            "file, for example lightning_logs/version_0)?"
        )


def _same(views: list[RankView], known: list[RankView]) -> bool:
    return len(views) == len(known) and all(map(operator.is_, views, known))


def _alone(error: AttnMonitorError) -> AttnMonitorError:
    """Return an error without what led to it, which holds all that was read of a file."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
