"""``commits.jsonl``: the list of what exists. A step exists when, and only when, its line does.

Three kinds of lines: ``commit`` (a step is complete), ``rollback`` (a resumed training starts over
after a step) and ``thin`` (the maps of a step were given up to the byte budget; its metrics stay).
Lines of other kinds are skipped, so that later versions may add some.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from attn_monitor.core.errors import CorruptRecordingError
from attn_monitor.store.fields import (
    as_float,
    as_int,
    as_list,
    as_object,
    as_shape,
    as_str,
    parse_object,
    strict,
)
from attn_monitor.store.layout import COMMITS_FILE, step_file_name

NOTHING = -1  # "rollback to before the first step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One complete step.

    Attributes:
        step: Optimizer steps taken.
        epoch: Its epoch.
        attempt: Which writing of this step it is; later ones have larger numbers.
        time: When it was written, in seconds since 1970.
        size: Bytes of the step's zip file.
        scalars: Numbers of the whole step.
        metrics_start: Offset of its metrics in ``metrics.f32``, in bytes.
        metrics_shapes: Per part, the [probe, layer, head, metric] shape of its metrics, which
            follow each other in this order.
        maps: Per part, the indices of the probes whose maps are in the zip file.
        vectors: Per part, the indices of the probes whose queries and keys are in it.
        windows: Per part, the indices of the probes that have a window of their maps in it.
        thumbnails: Per part, the indices of the probes that have coarse maps in it.
        outputs_start: Offset of the numbers about the model's output in the same file.
        outputs_shape: Their [probe, statistic] shape; empty in a step recorded without them.
        thinned: The maps are gone.
    """

    step: int
    epoch: int
    attempt: int
    time: float
    size: int
    scalars: Mapping[str, float]
    metrics_start: int
    metrics_shapes: Mapping[str, tuple[int, ...]]
    maps: Mapping[str, tuple[int, ...]]
    vectors: Mapping[str, tuple[int, ...]]
    windows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    thumbnails: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    outputs_start: int = 0
    outputs_shape: tuple[int, ...] = ()
    thinned: bool = False

    @property
    def file_name(self) -> str:
        """The step's zip file, relative to the rank's folder; never read from the line."""
        return step_file_name(self.step, self.attempt)


def commit_line(commit: Commit) -> bytes:
    """Return the line that makes a step exist."""
    return _line(
        {
            "op": "commit",
            "step": commit.step,
            "epoch": commit.epoch,
            "attempt": commit.attempt,
            "time": commit.time,
            "bytes": commit.size,
            "scalars": commit.scalars,
            "metrics": {"offset": commit.metrics_start, "shapes": commit.metrics_shapes},
            "outputs": {"offset": commit.outputs_start, "shape": commit.outputs_shape},
            "maps": commit.maps,
            "vectors": commit.vectors,
            **({"windows": commit.windows} if any(commit.windows.values()) else {}),
            **({"thumbnails": commit.thumbnails} if any(commit.thumbnails.values()) else {}),
        }
    )


def rollback_line(*, to: int, attempt: int, time: float) -> bytes:
    """Return the line that forgets every step after ``to`` and every writer before ``attempt``."""
    return _line({"op": "rollback", "to": to, "attempt": attempt, "time": time})


def thin_line(commit: Commit, *, time: float) -> bytes:
    """Return the line that gives up the maps of a step."""
    return _line({"op": "thin", "step": commit.step, "attempt": commit.attempt, "time": time})


@dataclass(slots=True, kw_only=True)
class CommitLog:
    """What the lines read so far add up to.

    Attributes:
        commits: The steps that exist.
        next_attempt: Larger than the attempt of every line so far.
        consumed: Bytes of complete lines read.
        problems: One sentence per line that could not be understood.
    """

    commits: dict[int, Commit] = field(default_factory=dict)
    next_attempt: int = 0
    consumed: int = 0
    problems: list[str] = field(default_factory=list)
    _oldest_writer: int = 0

    def feed(self, data: bytes) -> bool:
        """Read on; an unfinished last line is left for the next call.

        Args:
            data: What follows the first :attr:`consumed` bytes of the file.

        Returns:
            Whether there was a complete line.
        """
        complete = data[: data.rfind(b"\n") + 1]
        for line in complete.split(b"\n"):
            if not line.strip():
                continue
            try:
                self._apply(parse_object(line, "line"))
            except CorruptRecordingError as error:
                self.problems.append(f"{COMMITS_FILE}, after byte {self.consumed}: {error}")
        self.consumed += len(complete)
        return bool(complete)

    def ordered(self) -> tuple[Commit, ...]:
        """Return the steps that exist, first to last."""
        return tuple(self.commits[step] for step in sorted(self.commits))

    def _apply(self, line: Mapping[str, object]) -> None:
        op = as_str(line.get("op"), "op")
        if op not in ("commit", "rollback", "thin"):
            return
        attempt = as_int(line.get("attempt"), "attempt")
        if attempt < self._oldest_writer:
            return  # a writer that a newer one has replaced is still running
        self.next_attempt = max(self.next_attempt, attempt + 1)
        if op == "commit":
            commit = _commit(line, attempt)
            self.commits[commit.step] = commit
        elif op == "rollback":
            to = as_int(line.get("to"), "to", low=NOTHING)
            self._oldest_writer = attempt
            self.commits = {step: kept for step, kept in self.commits.items() if step <= to}
        else:
            step = as_int(line.get("step"), "step")
            if step in self.commits:
                self.commits[step] = replace(self.commits[step], thinned=True)


def _commit(line: Mapping[str, object], attempt: int) -> Commit:
    metrics = as_object(line.get("metrics"), "metrics")
    shapes = as_object(metrics.get("shapes"), "metrics.shapes")
    scalars = as_object(line.get("scalars"), "scalars")
    outputs = as_object(line.get("outputs", {}), "outputs")
    return Commit(
        step=as_int(line.get("step"), "step"),
        epoch=as_int(line.get("epoch"), "epoch"),
        attempt=attempt,
        time=as_float(line.get("time"), "time"),
        size=as_int(line.get("bytes"), "bytes"),
        scalars={name: as_float(value, f"scalars.{name}") for name, value in scalars.items()},
        metrics_start=as_int(metrics.get("offset"), "metrics.offset"),
        metrics_shapes={
            part: as_shape(shape, f"shape of {part}") for part, shape in shapes.items()
        },
        maps=_probes_by_part(line.get("maps"), "maps"),
        vectors=_probes_by_part(line.get("vectors", {}), "vectors"),
        outputs_start=as_int(outputs.get("offset", 0), "outputs.offset"),
        outputs_shape=as_shape(outputs.get("shape", []), "outputs.shape"),
        windows=_probes_by_part(line.get("windows", {}), "windows"),
        thumbnails=_probes_by_part(line.get("thumbnails", {}), "thumbnails"),
    )


def _probes_by_part(value: object, where: str) -> Mapping[str, tuple[int, ...]]:
    return {
        part: tuple(as_int(probe, f"{where} of {part}") for probe in as_list(probes, where))
        for part, probes in as_object(value, where).items()
    }


def _line(fields: Mapping[str, object]) -> bytes:
    return json.dumps(strict(fields), allow_nan=False).encode("ascii") + b"\n"
