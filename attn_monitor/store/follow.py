"""Keeps up with a run while its ranks record: looks for ranks, joins what they have."""

from __future__ import annotations

import re

from attn_monitor.core.errors import AttnMonitorError, RunNotFoundError
from attn_monitor.store.names import PLUGIN_FOLDER
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
        self._seen: tuple[list[RankView], list[str]] = ([], [])
        self._joined: RunView | None = None

    def refresh(self) -> RunView:
        """Return the run as it is now; the same object as before if nothing has changed.

        Raises:
            RunNotFoundError: There is no recording.
            CorruptRecordingError: No rank's description can be read.
        """
        views, errors = self._read_ranks()
        if not views:
            raise errors[0] if errors else self._nothing_found()
        problems = [str(error) for error in errors]
        known, before = self._seen
        same = len(views) == len(known) and all(
            now is then for now, then in zip(views, known, strict=True)
        )
        if self._joined is None or not same or problems != before:
            self._joined = join(views, problems=problems)
            self._seen = (views, problems)
        return self._joined

    @property
    def location(self) -> str:
        """The run's directory."""
        return self._folder.location

    def _read_ranks(self) -> tuple[list[RankView], list[AttnMonitorError]]:
        views: list[RankView] = []
        errors: list[AttnMonitorError] = []
        left = MOST_BYTES
        for name in filter(_RANK.fullmatch, self._folder.folders(PLUGIN_FOLDER)):
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


def _alone(error: AttnMonitorError) -> AttnMonitorError:
    """Return an error without what led to it, which holds all that was read of a file."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
