"""From a run's name in TensorBoard to the directory its recording is in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from attn_monitor.core.errors import RunNotFoundError


@runtime_checkable
class Multiplexer(Protocol):
    """The part of TensorBoard's event multiplexer that is used here."""

    def RunPaths(self) -> Mapping[str, str]:  # noqa: N802 - TensorBoard's name
        """Return the directory of each run."""
        ...


class RunDirs:
    """Finds run directories. Names come from TensorBoard's own list of runs.

    With TensorBoard's Python loader the multiplexer knows each run's directory, also under
    ``--logdir_spec``. With its Rust loader there is no multiplexer, and names are paths below the
    log directory.
    """

    def __init__(self, logdir: str | None, multiplexer: Multiplexer | None) -> None:
        """Resolve the log directory now: a relative one is relative to where we were started.

        Args:
            logdir: As typed: ``~`` is not expanded, and it is empty under ``--logdir_spec``.
            multiplexer: TensorBoard's, or ``None`` when its Rust loader is at work.
        """
        self._multiplexer = multiplexer
        self._logdir: str | None = None
        if logdir:
            is_url = "://" in logdir
            self._logdir = logdir if is_url else str(Path(logdir).expanduser().absolute())

    @property
    def notice(self) -> str | None:
        """Why no recording can be found at all, or ``None``."""
        if self._logdir is None and self._multiplexer is None:
            return (
                "TensorBoard was started without a log directory on this machine, so attention "
                "recordings cannot be read; start it with --logdir"
            )
        return None

    def find(self, run: str) -> str:
        """Return the directory (or URL) of a run.

        Raises:
            RunNotFoundError: There is none, or the name leads out of the log directory.
        """
        if self._multiplexer is not None:
            paths = self._multiplexer.RunPaths()
            if run in paths:
                return paths[run]
        if self._logdir is None:
            raise RunNotFoundError(self.notice or f"the directory of run {run!r} is unknown")
        if "://" in self._logdir:
            if ".." in run.split("/"):
                raise _outside(run)
            return self._logdir.rstrip("/") + ("" if run == "." else f"/{run}")
        # Links below the log directory are followed, as TensorBoard does; names are not trusted.
        path = os.path.normpath(os.path.join(self._logdir, run))
        if os.path.commonpath([path, os.path.normpath(self._logdir)]) != os.path.normpath(
            self._logdir
        ):
            raise _outside(run)
        return path


def _outside(run: str) -> RunNotFoundError:
    return RunNotFoundError(f"run {run!r} lies outside the log directory")
