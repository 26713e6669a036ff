"""Says what of a recording is whole and what is not, by reading all of it: :func:`verify_run`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from attn_monitor.core.errors import CorruptRecordingError
from attn_monitor.store.checksum import check_seal, crc_text
from attn_monitor.store.commits import Commit
from attn_monitor.store.folder import folder_at
from attn_monitor.store.follow import RunFollower
from attn_monitor.store.names import (
    ASKED_FOLDER,
    COMMITS_FILE,
    PLUGIN_FOLDER,
    RUN_FILE,
    STEPS_FOLDER,
)
from attn_monitor.store.rank import RankView
from attn_monitor.store.reading import ReadOnlyFolder

_STEP_FILE = re.compile(r"\d+-a(\d+)\.zarr\.zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What reading a whole recording found.

    Attributes:
        steps: Recorded steps, ascending.
        whole: Those of them whose maps and numbers are all as they were written.
        thinned: Those whose maps were given up to the byte budget; their numbers are whole.
        unchecked: Those recorded by an earlier version, of which only maps have checksums.
        problems: What is wrong, one sentence each; empty if all is well.
        leftovers: Files that no step stands for, removed when training resumes, and what was asked
            of a recording that is gone; both are harmless.
    """

    steps: tuple[int, ...]
    whole: tuple[int, ...]
    thinned: tuple[int, ...]
    unchecked: tuple[int, ...]
    problems: tuple[str, ...]
    leftovers: tuple[str, ...]

    def summary(self) -> str:
        """Return it in words, for a terminal."""
        kinds = [
            f"{len(self.whole)} of {len(self.steps)} recorded steps are whole",
            f"{len(self.thinned)} gave their maps to the byte budget" if self.thinned else "",
            f"{len(self.unchecked)} have no checksum of their metrics (an earlier version)"
            if self.unchecked
            else "",
            f"{len(self.leftovers)} files or folders belong to no step" if self.leftovers else "",
        ]
        head = "; ".join(kind for kind in kinds if kind)
        return "\n".join([head, *(f"damaged: {problem}" for problem in self.problems)])


def verify_run(path: str | os.PathLike[str]) -> Verified:
    """Read every byte of a recording and compare it with its checksums.

    Args:
        path: The run's directory: a path or an fsspec URL.

    Raises:
        RunNotFoundError: There is no recording.
        CorruptRecordingError: No description can be read.
    """
    folder = ReadOnlyFolder(folder_at(path))
    view = RunFollower(folder).refresh()
    problems = list(view.problems)
    leftovers: list[str] = []
    broken: set[int] = set()
    unchecked: set[int] = set()
    ranks = (*view.ranks, *view.asked)
    for rank in ranks:
        if not check_seal(folder.read(f"{rank.name}/{RUN_FILE}"), RUN_FILE):
            unchecked.update(rank.commits)
        for commit in rank.commits.values():
            found = [*_numbers(rank, commit), *_maps(rank, commit)]
            if found or (commit.step not in rank.readable and not commit.thinned):
                broken.add(commit.step)
            if not commit.directory_crc:
                unchecked.add(commit.step)
            problems += (f"{rank.name}: {problem}" for problem in found)
        files = _leftovers(rank)
        leftovers += files
        problems += _missing_lines(rank, files)
    known = {added.name for added in view.asked}
    for name in filter(ASKED_FOLDER.fullmatch, folder.folders(PLUGIN_FOLDER)):
        if (path := f"{PLUGIN_FOLDER}/{name}") not in known:
            leftovers.append(path)
    thinned = {c.step for rank in ranks for c in rank.commits.values() if c.thinned}
    return Verified(
        steps=view.steps,
        whole=tuple(step for step in view.steps if step not in broken | thinned),
        thinned=tuple(sorted(thinned - broken)),
        unchecked=tuple(sorted(unchecked)),
        problems=tuple(dict.fromkeys(problems)),
        leftovers=tuple(leftovers),
    )


def _numbers(rank: RankView, commit: Commit) -> list[str]:
    """Return what is wrong with a step's metrics and output statistics."""
    found = [
        f"metrics of step {commit.step} in part {part.name!r} are damaged"
        for part in rank.session.info.parts
        if part.name in commit.metrics_shapes and rank.metrics([commit], part)[0] is None
    ]
    if commit.outputs_shape and rank.outputs([commit])[0] is None:
        found.append(f"output statistics of step {commit.step} are damaged")
    return found


def _maps(rank: RankView, commit: Commit) -> list[str]:
    """Return what is wrong with a step's file."""
    if commit.thinned:
        return []
    try:
        found = rank.open_step(commit).damage()
        name = f"{rank.name}/{commit.file_name}"
        if not found and commit.file_crc not in {"", crc_text(rank.folder.read(name))}:
            found = [f"{name} is damaged between its arrays"]
        return found
    except CorruptRecordingError as error:
        return [str(error)]


def _leftovers(rank: RankView) -> Sequence[str]:
    known = {commit.file_name for commit in rank.commits.values() if not commit.thinned}
    names = rank.folder.sizes(f"{rank.name}/{STEPS_FOLDER}")
    files = [f"{STEPS_FOLDER}/{name}" for name in sorted(names)]
    return [f"{rank.name}/{file}" for file in files if file not in known]


def _missing_lines(rank: RankView, files: Sequence[str]) -> list[str]:
    """Return what is wrong with a log that has fewer steps than there are files of."""
    newest = max((commit.attempt for commit in rank.commits.values()), default=0)
    names = [_STEP_FILE.fullmatch(file.rpartition("/")[2]) for file in files]
    # Those of a process that was replaced wait to be removed; of the newest, a crash leaves one.
    missing = sum(found is not None and int(found[1]) >= newest for found in names)
    if missing < 2:  # noqa: PLR2004
        return []
    return [f"{rank.name}: {missing} files of steps have no line in {COMMITS_FILE}"]
