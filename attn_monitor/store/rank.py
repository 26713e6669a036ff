"""Reads the recording of one rank, and keeps up with it while it is being written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attn_monitor.core.errors import CorruptRecordingError, MissingFileError
from attn_monitor.core.nouns import Part
from attn_monitor.core.remarks import Remarks
from attn_monitor.store.commits import MOST_PROBLEMS, Commit, CommitLog, follow_log
from attn_monitor.store.fields import LARGEST_PARSED, parsed_bytes
from attn_monitor.store.lru import ByteLru
from attn_monitor.store.metricsfile import (
    Metrics,
    Outputs,
    metrics_problem,
    read_metrics,
    read_outputs,
)
from attn_monitor.store.names import COMMITS_FILE, METRICS_FILE, RUN_FILE, STEPS_FOLDER
from attn_monitor.store.reading import ReadOnlyFolder
from attn_monitor.store.schema import LARGEST_RUN_FILE, Session, load_session
from attn_monitor.store.stepfile import StepFile

_OPEN_FILES = ByteLru[tuple[str, ...], StepFile](16 * 2**20)
_RETRIES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RankView:
    """What one rank has recorded, at one moment; never changes.

    Attributes:
        folder: The run's directory.
        name: The rank's folder in it.
        session: The recording and its description.
        description: Digest of the description: another one whenever anything in it changes.
        commits: The steps that exist.
        readable: The steps whose maps are there.
        written: Bytes of the file of metrics.
        version: Changes whenever anything here does.
        problems: What is wrong with the recording, one sentence each.
        remarks: What is said beside the steps.
    """

    folder: ReadOnlyFolder
    name: str
    session: Session
    description: str
    commits: Mapping[int, Commit]
    readable: frozenset[int]
    written: int
    version: str
    problems: tuple[str, ...]
    remarks: Remarks

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells this recording and its description from any other, for caches."""
        return self.folder.location, self.name, self.session.id, self.description

    def step_file(self, commit: Commit) -> StepFile:
        """Return the maps of a step, opened once.

        Raises:
            CorruptRecordingError: The file is missing, has another size, or is damaged.
        """
        key = (*self.identity, commit.file_name)
        return _OPEN_FILES.get(
            key,
            lambda: self.open_step(commit),
            lambda file: file.directory_bytes,
        )

    def open_step(self, commit: Commit) -> StepFile:
        """Open the maps of a step; raises like :meth:`step_file`."""
        name = f"{self.name}/{commit.file_name}"
        return StepFile(self.folder, name, size=commit.size, checksum=commit.directory_crc)

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

    def __init__(self, folder: ReadOnlyFolder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._log = CommitLog()
        self._digest = ""
        self._session: Session | None = None
        self._described = 0
        self._view: RankView | None = None

    @property
    def held_bytes(self) -> int:
        """About how much memory the rank takes."""
        return self._described + self._log.held_bytes

    def refresh(self, *, most_bytes: int = LARGEST_PARSED) -> RankView | None:
        """Return the newest state; ``None`` while nothing has been recorded.

        Args:
            most_bytes: Memory that the description may take.

        Raises:
            CorruptRecordingError: ``run.json`` cannot be read or belongs to a later version.
        """
        changed = self._view is None or not self._log.commits
        changed |= self._folder.log_size(self._path(COMMITS_FILE)) != self._log.consumed
        if changed:
            self._view = self._read(most_bytes)
        return self._view

    def _read(self, most_bytes: int) -> RankView | None:
        # The description must be the one that the lines belong to: read it before and after.
        data = self._read_description()
        for _ in range(_RETRIES):
            if data is None:
                return None
            digest = hashlib.sha256(data).hexdigest()[:12]
            if digest != self._digest:
                self._log, self._session = CommitLog(), None
                self._digest = digest
            self._follow_log()
            now = self._read_description()
            if now is None or now == data:
                break
            data = now
        else:
            raise CorruptRecordingError(f"{self._path(RUN_FILE)} changes faster than it is read")
        if self._session is None:
            path = self._path(RUN_FILE)
            self._session = load_session(data, path, most_bytes=most_bytes)
            self._described = parsed_bytes(data)
        return self._look(self._session)

    def _look(self, session: Session) -> RankView:
        sizes = self._folder.sizes(self._path(STEPS_FOLDER))
        problems: list[str] = []
        readable = set()
        written = self._folder.log_size(self._path(METRICS_FILE))
        for commit in self._log.ordered():
            if not commit.thinned:
                found = sizes.get(commit.file_name.removeprefix(f"{STEPS_FOLDER}/"))
                if found == commit.size:
                    readable.add(commit.step)
                else:
                    state = (
                        "missing" if found is None else f"{found} bytes instead of {commit.size}"
                    )
                    problems.append(f"maps of step {commit.step} are unreadable: file {state}")
            problem = metrics_problem(session.info, commit, written)
            problems += [] if problem is None else [problem]
        more = len(problems) - MOST_PROBLEMS
        return RankView(
            folder=self._folder,
            name=self._name,
            session=session,
            description=self._digest,
            commits=dict(self._log.commits),
            readable=frozenset(readable),
            written=written,
            version=f"{session.id}:{self._digest}:{self._log.consumed}",
            remarks=self._log.remarks.remarks(),
            problems=(
                *self._log.problems,
                *problems[:MOST_PROBLEMS],
                *([f"{more} more problems of this kind"] if more > 0 else []),
            ),
        )

    def _follow_log(self) -> None:
        path = self._path(COMMITS_FILE)
        if self._folder.log_size(path) < self._log.consumed:  # removed and recorded anew
            self._log = CommitLog()
        follow_log(self._folder, path, self._log)

    def _read_description(self) -> bytes | None:
        path = self._path(RUN_FILE)
        try:
            size = self._folder.size(path)
            if size > LARGEST_RUN_FILE:
                raise CorruptRecordingError(
                    f"{self._folder.location}/{path} has {size} bytes, at most {LARGEST_RUN_FILE} "
                    "are read"
                )
            return self._folder.read(path, 0, LARGEST_RUN_FILE)
        except MissingFileError:
            return None

    def _path(self, name: str) -> str:
        return f"{self._name}/{name}"
