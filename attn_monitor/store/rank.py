"""Reads the recording of one rank, and keeps up with it while it is being written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attn_monitor.core.errors import CorruptRecordingError
from attn_monitor.core.nouns import Part
from attn_monitor.store.commits import Commit, CommitLog
from attn_monitor.store.folder import Folder
from attn_monitor.store.layout import COMMITS_FILE, METRICS_FILE, RUN_FILE, STEPS_FOLDER
from attn_monitor.store.lru import ByteLru
from attn_monitor.store.metricsfile import (
    Metrics,
    Outputs,
    metrics_problem,
    read_metrics,
    read_outputs,
)
from attn_monitor.store.schema import LARGEST_RUN_FILE, Session, load_session
from attn_monitor.store.stepfile import StepFile

_LARGEST_LOG = 2**28
_OPEN_FILES = ByteLru[tuple[str, str], StepFile](16 * 2**20)
_RETRIES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RankView:
    """What one rank has recorded, at one moment; never changes.

    Attributes:
        folder: The run's directory.
        name: The rank's folder in it.
        session: The recording and its description.
        commits: The steps that exist.
        readable: The steps whose maps are there.
        version: Changes whenever anything here does.
        problems: What is wrong with the recording, one sentence each.
    """

    folder: Folder
    name: str
    session: Session
    commits: Mapping[int, Commit]
    readable: frozenset[int]
    version: str
    problems: tuple[str, ...]

    def step_file(self, commit: Commit) -> StepFile:
        """Open the maps of a step.

        Raises:
            CorruptRecordingError: The file is missing, has another size, or is damaged.
        """
        name = f"{self.name}/{commit.file_name}"
        key = (self.folder.location, f"{name}@{self.session.id}")
        return _OPEN_FILES.get(
            key,
            lambda: StepFile(self.folder, name, size=commit.size),
            lambda file: file.directory_bytes,
        )

    def metrics(
        self, commits: Sequence[Commit], part: Part, *, position: int | None = None
    ) -> list[Metrics | None]:
        """Return the metrics of a part at each commit; ``None`` where they cannot be read.

        Args:
            commits: Steps of this rank.
            part: The part wanted.
            position: Only the probe at this position of this rank's probes; all by default.
        """
        name, info = f"{self.name}/{METRICS_FILE}", self.session.info
        return read_metrics(self.folder, name, info, commits, part, position=position)

    def outputs(self, commits: Sequence[Commit]) -> list[Outputs | None]:
        """Return the numbers about the model's output at each commit, ``None`` without any."""
        name = f"{self.name}/{METRICS_FILE}"
        return read_outputs(self.folder, name, self.session.info, commits)


class RankReader:
    """Follows the recording of one rank: :meth:`refresh` reads only what is new."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._log = CommitLog()
        self._description = b""
        self._view: RankView | None = None

    def refresh(self) -> RankView | None:
        """Return the newest state; ``None`` while nothing has been recorded.

        Raises:
            CorruptRecordingError: ``run.json`` cannot be read or belongs to a later version.
        """
        changed = self._view is None or not self._log.commits
        changed |= self._folder.log_size(self._path(COMMITS_FILE)) != self._log.consumed
        if changed:
            self._view = self._read()
        return self._view

    def _read(self) -> RankView | None:
        # The description must be the one that the lines belong to: read it before and after.
        for _ in range(_RETRIES):
            before = self._read_description()
            if before is None:
                return None
            if before != self._description:
                self._log = CommitLog()
                self._description = before
            self._follow_log()
            if self._read_description() == before:
                break
        session = load_session(self._description, self._path(RUN_FILE))
        return self._look(session)

    def _look(self, session: Session) -> RankView:
        sizes = self._folder.sizes(self._path(STEPS_FOLDER))
        problems = list(self._log.problems)
        readable = set()
        for commit in self._log.ordered():
            if commit.thinned:
                continue
            found = sizes.get(commit.file_name.removeprefix(f"{STEPS_FOLDER}/"))
            if found == commit.size:
                readable.add(commit.step)
            else:
                state = "missing" if found is None else f"{found} bytes instead of {commit.size}"
                problems.append(f"maps of step {commit.step} are unreadable: file {state}")
        written = self._folder.log_size(self._path(METRICS_FILE))
        for commit in self._log.ordered():
            problem = metrics_problem(session.info, commit, written)
            problems += [] if problem is None else [problem]
        return RankView(
            folder=self._folder,
            name=self._name,
            session=session,
            commits=dict(self._log.commits),
            readable=frozenset(readable),
            version=f"{session.id}:{self._log.consumed}",
            problems=tuple(problems),
        )

    def _follow_log(self) -> None:
        path = self._path(COMMITS_FILE)
        size = self._folder.log_size(path)
        if size < self._log.consumed:  # removed and recorded anew
            self._log = CommitLog()
        if size > _LARGEST_LOG:
            raise CorruptRecordingError(f"{self._folder.location}/{path} has {size} bytes")
        self._log.feed(self._folder.read_log(path, self._log.consumed, size))

    def _read_description(self) -> bytes | None:
        path = self._path(RUN_FILE)
        try:
            return self._folder.read(path, 0, LARGEST_RUN_FILE)
        except FileNotFoundError:
            return None

    def _path(self, name: str) -> str:
        return f"{self._name}/{name}"
