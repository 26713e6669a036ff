"""Writes a recording so that a crash at any moment loses at most the step being written.

Order for each step: metrics appended and flushed; the step's file written under a temporary name,
flushed, renamed, its folder flushed; then one commit line appended and flushed.
"""

from __future__ import annotations

import errno
import os
import time
import uuid
from collections.abc import Mapping
from types import TracebackType

from attn_monitor.core.errors import ConfigurationError, CorruptRecordingError
from attn_monitor.core.version import VERSION
from attn_monitor.store.checks import (
    check_info,
    check_record,
    checked_metrics,
    checked_outputs,
)
from attn_monitor.store.checksum import crc_text, row_checksums
from attn_monitor.store.commits import (
    NOTHING,
    Commit,
    CommitLog,
    commit_line,
    follow_log,
    remark_line,
    rollback_line,
    thin_line,
)
from attn_monitor.store.folder import folder_at
from attn_monitor.store.local import RESERVE_MB
from attn_monitor.store.names import (
    COMMITS_FILE,
    METRICS_FILE,
    RUN_FILE,
    STEPS_FOLDER,
    asked_folder,
    rank_folder,
)
from attn_monitor.store.records import RunInfo, StepRecord
from attn_monitor.store.retention import steps_to_thin
from attn_monitor.store.schema import Session, dump_session, follows, load_session
from attn_monitor.store.step_zip import step_contents
from attn_monitor.store.zipindex import directory_checksum

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class RunWriter:
    """Appends steps to the recording of one rank, or of one sentence that is asked later.

    Used by one thread at a time.

    Attributes:
        session: Identifier of the recording, the same after resuming it.
        notice: Why steps recorded earlier are gone, or ``None``; whoever passed it on clears it.
    """

    def __init__(
        self,
        run_dir: str | os.PathLike[str],
        info: RunInfo,
        *,
        rank: int = 0,
        resume_step: int | None = None,
        budget_mb: float | None = None,
        asked: int | None = None,
    ) -> None:
        """Start or resume a recording.

        Args:
            run_dir: The run's directory, where its event file is: a path or an fsspec URL.
            info: What stays the same at every step.
            rank: This process among those that train together; each writes its own folder.
            resume_step: Steps already trained: what was recorded up to here stays, later steps are
                dropped. ``None`` starts over and drops everything recorded here before. A recording
                with other parts, probes or metrics cannot be continued and is dropped as well.
            budget_mb: Megabytes for the maps of all steps of this rank: beyond it maps are thinned
                on a logarithmic schedule, metrics never. Unlimited by default.
            asked: The index of the sentence, which has a folder of its own, and no rank's is
                touched.

        Raises:
            ConfigurationError: ``info`` contradicts itself.
            OSError: The directory cannot be written.
        """
        check_info(info)
        self._info = info
        self._budget = None if budget_mb is None else int(budget_mb * 1e6)
        own = rank_folder(rank) if asked is None else asked_folder(asked)
        self._folder = folder_at(f"{os.fspath(run_dir)}/{own}")
        self._log = self._recovered_log()
        self._attempt = self._log.next_attempt
        self._torn = self._log.torn
        self._closed = False
        self._refused = False  # the last step, for want of room
        self.notice: str | None = None
        self.session = self._begin(NOTHING if resume_step is None else resume_step)

    def write(self, record: StepRecord) -> None:
        """Add a step; when this returns, the step survives a crash of process or machine.

        A step that was recorded before is replaced. Where the recording was removed meanwhile, it
        starts anew with this step, and :attr:`notice` says so.

        Raises:
            ConfigurationError: The record does not match the run's description.
            OSError: The disk is full, but for what is left to the training's own files, or a
                quota is used up, or it is gone; the recording stays readable.
        """
        if self._closed:
            raise ConfigurationError("this RunWriter is closed; open a new one to go on recording")
        try:
            self._add(record)
        except OSError as error:
            self._refused = error.errno in _NO_ROOM
            raise
        self._refused = False

    def _add(self, record: StepRecord) -> None:
        check_record(self._info, record)
        metrics = checked_metrics(self._info, record)
        outputs = checked_outputs(self._info, record)
        contents = step_contents(self._info, record)
        self._refuse_if_full(len(contents))
        self._begin_again_if_gone()
        if self._torn:  # the line may be there whole: only the answer that it is was lost
            follow_log(self._folder, COMMITS_FILE, self._log)
        earlier = self._log.commits.get(record.step)
        if earlier is not None:  # readers may have the earlier file open: never write over it
            self._attempt = max(self._attempt, earlier.attempt + 1)
        numbers = b"".join(values.tobytes() for values in metrics.values())
        answers = b"" if outputs is None else outputs.tobytes()
        start = self._folder.append_log(METRICS_FILE, numbers + answers)
        commit = Commit(
            step=record.step,
            epoch=record.epoch,
            attempt=self._attempt,
            time=time.time(),
            size=len(contents),
            scalars={name: float(value) for name, value in record.scalars.items()},
            metrics_start=start,
            metrics_shapes={part: values.shape for part, values in metrics.items()},
            outputs_start=start + len(numbers),
            outputs_shape=() if outputs is None else outputs.shape,
            maps={part: tuple(sorted(maps)) for part, maps in record.attention.items()},
            vectors={part: tuple(sorted(pairs)) for part, pairs in record.vectors.items()},
            windows={part: tuple(sorted(found)) for part, found in record.windows.items()},
            thumbnails={part: tuple(sorted(found)) for part, found in record.thumbnails.items()},
            metrics_crc={
                part: row_checksums(row.tobytes() for row in values)
                for part, values in metrics.items()
            },
            outputs_crc=crc_text(answers) if answers else "",
            directory_crc=directory_checksum(contents),
            file_crc=crc_text(contents),
            untouched=record.untouched,
            watched=record.watched,
        )
        self._folder.write(commit.file_name, contents)
        self._append(commit_line(commit))
        if earlier is not None:
            self._folder.remove(earlier.file_name)
        self._thin()

    def remark(self, fields: Mapping[str, object]) -> None:
        """Say something beside the steps: see ``.remark_lines``.

        Raises:
            OSError: The disk is full or gone; the recording stays readable.
        """
        if not self._closed:
            self._append(remark_line(fields, attempt=self._attempt, time=time.time()))

    def has_room(self, size: int = 0) -> bool:
        """Return whether so many bytes fit, and leave the training's own files what they need.

        Under a quota, or without room for another file's name, a disk says that it has room and
        takes nothing: then there is none until a step is written again.
        """
        return not self._refused and self._fits(size)

    def _fits(self, size: int) -> bool:
        room = self._folder.room()
        return room is None or room > size

    def close(self) -> None:
        """End recording. Every written step is durable already; closing twice is fine."""
        self._closed = True

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _recovered_log(self) -> CommitLog:
        """Read the commit lines of earlier writers and cut off a line that a crash left torn."""
        log = CommitLog(bounded=False)
        follow_log(self._folder, COMMITS_FILE, log)
        if self._folder.log_size(COMMITS_FILE) > log.consumed:
            self._folder.truncate_log(COMMITS_FILE, log.consumed)
        return log

    def _begin(self, keep_to: int) -> str:
        """Decide what of an earlier recording stays; return the session's identifier."""
        earlier = self._earlier_session()
        continues = earlier is not None and follows(earlier.info, self._info) and keep_to >= 0
        if not continues:
            if keep_to >= 0 and self._log.commits:
                self.notice = (
                    f"the recording in {self._folder.location} has other parts, probes or metrics; "
                    f"its {len(self._log.commits)} steps were dropped and recording starts anew"
                )
            keep_to = NOTHING
        if self._log.consumed:
            # Before run.json: no reader may meet old steps under the new description.
            self._append(rollback_line(to=keep_to, attempt=self._attempt, time=time.time()))
        session = earlier.id if earlier is not None and continues else uuid.uuid4().hex[:12]
        self._describe(session)
        self._remove_orphans()
        return session

    def _describe(self, session: str) -> None:
        description = dump_session(Session(id=session, info=self._info), version=VERSION)
        self._folder.write(RUN_FILE, description)

    def _refuse_if_full(self, size: int) -> None:
        if not self._fits(size):
            raise OSError(
                errno.ENOSPC,
                f"the disk is almost full, and its last {RESERVE_MB} MB, or 2 % of a small one, "
                "are left to the training's own files",
            )

    def _begin_again_if_gone(self) -> None:
        """Notice a folder that was removed, or its disk taken away, while training goes on."""
        whole = self._folder.log_size(COMMITS_FILE) >= self._log.consumed
        try:
            described = self._folder.size(RUN_FILE) > 0
        except FileNotFoundError:
            described = False
        if whole and described:
            return
        if whole:
            self._describe(self.session)
            return
        gone = len(self._log.commits)
        self._log = self._recovered_log()
        self._torn = False
        self._attempt = max(self._attempt + 1, self._log.next_attempt)
        self.session = self._begin(NOTHING)
        self.notice = (
            f"the recording in {self._folder.location} was removed while training went on; "
            f"{gone} recorded steps are gone, and recording starts anew"
        )

    def _earlier_session(self) -> Session | None:
        try:
            return load_session(self._folder.read(RUN_FILE), RUN_FILE)
        except (FileNotFoundError, CorruptRecordingError):
            return None

    def _remove_orphans(self) -> None:
        """Remove files that no commit line stands for: torn, rolled back or thinned."""
        living = {commit.file_name for commit in self._log.ordered() if not commit.thinned}
        for name in self._folder.sizes(STEPS_FOLDER):
            if f"{STEPS_FOLDER}/{name}" not in living:
                self._folder.remove(f"{STEPS_FOLDER}/{name}")

    def _append(self, line: bytes) -> None:
        # After a failed append half a line may be there; it must not swallow the next one.
        failed, self._torn = self._torn, True
        self._folder.append_log(COMMITS_FILE, b"\n" + line if failed else line)
        if failed:
            follow_log(self._folder, COMMITS_FILE, self._log)
        else:
            self._log.feed(line)
        self._torn = False

    def _thin(self) -> None:
        if self._budget is None:
            return
        living = {commit.step: commit for commit in self._log.ordered() if not commit.thinned}
        sizes = {step: commit.size for step, commit in living.items()}
        for step in steps_to_thin(sizes, budget=self._budget):
            self._append(thin_line(living[step], time=time.time()))
            self._folder.remove(living[step].file_name)
