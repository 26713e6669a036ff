"""Writes a run as one HTML file that shows it without a server: :func:`export_run`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.store import Run, open_run
from tb_plugin.offline.choice import Choice, named, numbered
from tb_plugin.offline.page import PageWriter, script
from tb_plugin.offline.page_contents import Contents
from tb_plugin.server.excerpt import Excerpt, everything

Progress = Callable[[str, int, int], None]

DEFAULT_MAX_MB = 50.0
MEGABYTE = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        size: Bytes of the file.
        excerpt: What of the recording is in it.
        lenses: How many heads have a HeadLens in it, at the step with most of them.
        unread: How many answers the recording should have had and could not give.
    """

    size: int
    excerpt: Excerpt
    lenses: int
    unread: int

    def summary(self) -> str:
        """Return what is in the file and what is not, for the terminal."""
        there = self.excerpt
        parts = [
            f"{self.size / MEGABYTE:.1f} MB",
            f"{_count(len(there.probes), 'sentence')} at {_count(len(there.maps), 'step')}",
        ]
        if there.vectors:
            heads = _count(self.lenses, "head")
            steps = sorted(there.vectors)
            where = f"step {steps[0]}" if len(steps) == 1 else f"{len(steps)} steps"
            parts.append(f"HeadLens of {heads} at {where}")
        lines = [", ".join(parts), *there.notes]
        if self.unread:
            lines.append(
                f"Not in the recording: {_count(self.unread, 'answer')} that the tab may ask for."
            )
        return "\n".join(lines)


def export_run(
    path: str,
    output: Path,
    *,
    choice: Choice | None = None,
    name: str | None = None,
    max_mb: float = DEFAULT_MAX_MB,
    progress: Progress = lambda _what, _done, _total: None,
) -> Exported:
    """Write one HTML file that shows a run without a server.

    Args:
        path: The run's directory.
        output: The file; one that is there is replaced once the new one is complete.
        choice: Which parts, sentences and steps; all by default.
        name: What the run is called on screen; by default :func:`run_name`.
        max_mb: Size that the file does not exceed, in megabytes of 10^6 bytes. Where the maps of
            all sentences at all steps would exceed it: fewer sentences, down to four, then fewer
            steps. HeadLens takes a quarter of it at most.
        progress: Told what is being done, and how many of how many are.

    Raises:
        RunNotFoundError: There is no recording.
        CorruptRecordingError: Its description cannot be read.
        ConfigurationError: Something chosen is not there or does not fit at all, or the file
            cannot be written.
    """
    run = open_run(path)
    wanted = choice or Choice()
    excerpt = _chosen(run, wanted)
    lenses = _lens_steps(excerpt, wanted)
    code = script()
    unfinished = output.with_name(f"{output.name}.part")
    try:
        with unfinished.open("wb") as file:
            page = PageWriter(file, code)
            contents = Contents(run, name or run_name(path), page, progress)
            there = contents.write(excerpt, int(max_mb * MEGABYTE), lenses=lenses)
        unfinished.replace(output)
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return Exported(size=page.size, excerpt=there, lenses=contents.lenses, unread=contents.unread)


def run_name(path: str) -> str:
    """Return a run's name: its directory's, and above Lightning's ``version_3`` one more."""
    folders = [folder for folder in path.replace(os.sep, "/").split("/") if folder not in {"", "."}]
    named = 2 if folders and folders[-1].startswith("version_") else 1
    return "/".join(folders[-named:]) or "run"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _chosen(run: Run, choice: Choice) -> Excerpt:
    there = everything(run)
    steps = numbered("step", choice.steps, sorted(there.maps))
    if not steps:
        raise ConfigurationError("no step with maps is recorded yet, so there is nothing to show")
    return replace(
        there,
        parts=named("part", choice.parts, there.parts),
        probes=numbered("probe", choice.probes, there.probes),
        maps=frozenset(steps),
    )


def _lens_steps(there: Excerpt, choice: Choice) -> tuple[int, ...] | None:
    """Return the steps whose HeadLens is wanted; ``None`` for nothing head by head."""
    if not choice.lenses:
        return None
    steps = sorted(there.maps & there.vectors)
    if choice.lens_steps is None:
        return tuple(steps[-1:])
    return numbered("HeadLens at step", choice.lens_steps, steps)
