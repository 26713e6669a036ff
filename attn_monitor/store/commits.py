"""``commits.jsonl``: the list of what exists. A step exists when, and only when, its line does.

Three kinds of lines: ``commit`` (a step is complete), ``rollback`` (a resumed training starts over
after a step) and ``thin`` (the maps of a step were given up to the byte budget; its metrics stay);
beside them those of ``.remark_lines``.
Lines of other kinds are skipped, so that later versions may add some.
"""

from __future__ import annotations

import json
from bisect import insort
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol, runtime_checkable

from attn_monitor.core.errors import CorruptRecordingError
from attn_monitor.store.checksum import check_seal, sealed
from attn_monitor.store.fields import (
    as_bool,
    as_float,
    as_int,
    as_list,
    as_object,
    as_shape,
    as_str,
    parse_object,
    strict,
)
from attn_monitor.store.names import COMMITS_FILE, step_file_name
from attn_monitor.store.records import Untouched
from attn_monitor.store.remark_lines import KINDS, RemarkLines

LARGEST_STEP = 2**53  # steps may count tokens; a page is exact up to here
NOTHING = -1  # "rollback to before the first step"
LONGEST_LINE = 2**20
MOST_LINES = 250_000
MOST_HELD_BYTES = 80_000_000
MOST_SENSELESS = 10_000
MOST_PROBLEMS = 20
_AT_ONCE = 4 * 2**20


@runtime_checkable
class _Log(Protocol):
    """The two things that are asked of a folder here."""

    def log_size(self, name: str) -> int: ...
    def read_log(self, name: str, start: int = 0, end: int | None = None) -> bytes: ...


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
        metrics_crc: Per part, the checksums of each probe's metrics, eight digits each.
        outputs_crc: The checksum of the numbers about the model's output.
        directory_crc: The checksum of the zip file's directory, which has those of its members.
            Empty, like the two before and the next, in a step of an earlier version.
        file_crc: The checksum of all of the zip file.
        untouched: That the training was left as it was; ``None`` where nobody checked.
        watched: Why every operator of the replay was watched; see :class:`StepRecord`.
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
    metrics_crc: Mapping[str, str] = field(default_factory=dict)
    outputs_crc: str = ""
    directory_crc: str = ""
    file_crc: str = ""
    untouched: Untouched | None = None
    watched: str | None = None

    @property
    def has_maps(self) -> bool:
        """Whether it has maps of any kind, where its file can be read."""
        return any(any(form.values()) for form in (self.maps, self.windows, self.thumbnails))

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
            "directory": commit.directory_crc,
            "file": commit.file_crc,
            "metrics": {
                "offset": commit.metrics_start,
                "shapes": commit.metrics_shapes,
                "rows": commit.metrics_crc,
            },
            "outputs": {
                "offset": commit.outputs_start,
                "shape": commit.outputs_shape,
                "rows": commit.outputs_crc,
            },
            "maps": commit.maps,
            "vectors": commit.vectors,
            **({"windows": commit.windows} if any(commit.windows.values()) else {}),
            **({"thumbnails": commit.thumbnails} if any(commit.thumbnails.values()) else {}),
            **({} if commit.untouched is None else {"untouched": asdict(commit.untouched)}),
            **({} if commit.watched is None else {"watched": commit.watched}),
        }
    )


def rollback_line(*, to: int, attempt: int, time: float) -> bytes:
    """Return the line that forgets every step after ``to`` and every writer before ``attempt``."""
    return _line({"op": "rollback", "to": to, "attempt": attempt, "time": time})


def thin_line(commit: Commit, *, time: float) -> bytes:
    """Return the line that gives up the maps of a step."""
    return _line({"op": "thin", "step": commit.step, "attempt": commit.attempt, "time": time})


def remark_line(fields: Mapping[str, object], *, attempt: int, time: float) -> bytes:
    """Return the line of something that is said beside the steps."""
    return _line({**fields, "attempt": attempt, "time": time})


@dataclass(slots=True, kw_only=True)
class CommitLog:
    """What the lines read so far add up to.

    A log may come from anybody: lines, their length, what is wrong with them and what is kept of
    them are bounded, and what lies beyond is left out and said.

    Attributes:
        next_attempt: Larger than the attempt of every line so far.
        consumed: Bytes of complete lines read.
        torn: A line longer than any of ours has begun and not ended.
        bounded: Whether the bounds hold; not for a writer, who reads what it wrote.
        remarks: What is said beside the steps.
    """

    next_attempt: int = 0
    consumed: int = 0
    torn: bool = False
    bounded: bool = True
    remarks: RemarkLines = field(default_factory=RemarkLines)
    _commits: dict[int, Commit] = field(default_factory=dict)
    _steps: list[int] = field(default_factory=list)  # ascending
    _problems: list[str] = field(default_factory=list)
    _senseless: int = 0
    _lines: int = 0
    _held: int = 0
    _full: str | None = None
    _oldest_writer: int = 0
    _shared: dict[object, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)

    @property
    def commits(self) -> Mapping[int, Commit]:
        """The steps that exist."""
        return self._commits

    @property
    def held_bytes(self) -> int:
        """About how much memory the steps take."""
        return self._held + self.remarks.held_bytes

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be understood or was left out, in a few sentences."""
        found = list(self._problems)
        if more := self._senseless - len(found):
            found.append(f"{COMMITS_FILE}: {more} more lines make no sense")
        return tuple(found if self._full is None else [*found, self._full])

    def feed(self, data: bytes) -> bool:
        """Read on; an unfinished last line is left for the next call.

        Args:
            data: What follows the first :attr:`consumed` bytes of the file.

        Returns:
            Whether there was a complete line, or as much of one as no line of ours is long.
        """
        if self._full is not None:
            self.consumed += len(data)
            return True
        if self.torn:
            rest = data.find(b"\n") + 1
            self.torn = rest == 0
            self.consumed += rest or len(data)
            data = data[rest or len(data) :]
        complete = data[: data.rfind(b"\n") + 1]
        at = self.consumed
        for line in complete.split(b"\n"):
            if line and self._read(line, at):
                break
            at += len(line) + 1
        self.consumed += len(complete)
        if len(data) - len(complete) > LONGEST_LINE:
            self._senseless_line(self.consumed, f"a line is longer than {LONGEST_LINE} bytes")
            self.consumed += len(data) - len(complete)
            self.torn = True
            return True
        return bool(complete)

    def ordered(self) -> tuple[Commit, ...]:
        """Return the steps that exist, first to last."""
        return tuple(self._commits[step] for step in self._steps)

    def _read(self, line: bytes, at: int) -> bool:
        """Take up a line; return whether it was the last that is read of this recording."""
        if not line.strip():
            return False
        self._lines += 1
        try:
            if len(line) > LONGEST_LINE:
                raise CorruptRecordingError(f"a line is longer than {LONGEST_LINE} bytes")
            check_seal(line, "line")
            self._apply(parse_object(line, "line"))
        except CorruptRecordingError as error:
            self._senseless_line(at, str(error))
        if self.bounded and (
            self._lines >= MOST_LINES
            or self.held_bytes > MOST_HELD_BYTES
            or self._senseless >= MOST_SENSELESS
        ):
            self._full = (
                f"{COMMITS_FILE} is read up to byte {at + len(line)}: {self._lines} lines with "
                f"{len(self._commits)} steps and {self._senseless} lines that make no sense are as "
                "much as is read of one recording"
            )
        return self._full is not None

    def _senseless_line(self, at: int, problem: str) -> None:
        self._senseless += 1
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(f"{COMMITS_FILE}, after byte {at}: {problem[:300]}")

    def _apply(self, line: Mapping[str, object]) -> None:
        op = as_str(line.get("op"), "op")
        if op not in ("commit", "rollback", "thin", *KINDS):
            return
        attempt = as_int(line.get("attempt"), "attempt")
        if attempt < self._oldest_writer and not (op == "thin" and self._wrote(line, attempt)):
            return  # a writer that a newer one has replaced is still running
        self.next_attempt = max(self.next_attempt, attempt + 1)
        if op in KINDS:
            self.remarks.take(op, line)
        elif op == "commit":
            self._add(_commit(line, attempt))
        elif op == "rollback":
            to = as_int(line.get("to"), "to", low=NOTHING)
            self._oldest_writer = attempt
            self.remarks.back(to)
            while self._steps and self._steps[-1] > to:
                self._held -= _weight(self._commits.pop(self._steps.pop()))
        else:
            step = as_int(line.get("step"), "step")
            if step in self._commits and not self._commits[step].thinned:
                self._commits[step] = replace(self._commits[step], thinned=True)

    def _wrote(self, line: Mapping[str, object], attempt: int) -> bool:
        """Return whether a line is about the step's own file: whoever thins it, it is gone."""
        commit = self._commits.get(as_int(line.get("step"), "step"))
        return commit is not None and commit.attempt == attempt

    def _add(self, commit: Commit) -> None:
        # Most steps have the same probes: they share what says so.
        commit = replace(
            commit,
            metrics_shapes=self._share(commit.metrics_shapes),
            maps=self._share(commit.maps),
            vectors=self._share(commit.vectors),
            windows=self._share(commit.windows),
            thumbnails=self._share(commit.thumbnails),
        )
        earlier = self._commits.get(commit.step)
        if earlier is None:
            insort(self._steps, commit.step)
        else:
            self._held -= _weight(earlier)
        self._commits[commit.step] = commit
        self._held += _weight(commit)

    def _share(self, value: Mapping[str, tuple[int, ...]]) -> Mapping[str, tuple[int, ...]]:
        key = tuple(value.items())
        if key not in self._shared:
            self._held += 300 + sum(120 + 40 * len(probes) for probes in value.values())
            self._shared[key] = value
        return self._shared[key]


def follow_log(folder: _Log, name: str, log: CommitLog) -> None:
    """Read what a log has beyond what was read of it, a few megabytes at a time."""
    size = folder.log_size(name)
    while log.consumed < size:
        end = min(size, log.consumed + _AT_ONCE)
        if not log.feed(folder.read_log(name, log.consumed, end)) and end == size:
            return


def _weight(commit: Commit) -> int:
    rows = sum(150 + len(part) + len(crc) for part, crc in commit.metrics_crc.items())
    return 1000 + rows + sum(150 + len(name) for name in commit.scalars)


def _commit(line: Mapping[str, object], attempt: int) -> Commit:
    metrics = as_object(line.get("metrics"), "metrics")
    shapes = as_object(metrics.get("shapes"), "metrics.shapes")
    scalars = as_object(line.get("scalars"), "scalars")
    outputs = as_object(line.get("outputs", {}), "outputs")
    return Commit(
        step=as_int(line.get("step"), "step", high=LARGEST_STEP),
        epoch=as_int(line.get("epoch"), "epoch", high=LARGEST_STEP),
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
        metrics_crc={
            part: as_str(rows, "metrics.rows")
            for part, rows in as_object(metrics.get("rows", {}), "metrics.rows").items()
        },
        outputs_crc=as_str(outputs.get("rows", ""), "outputs.rows"),
        directory_crc=as_str(line.get("directory", ""), "directory"),
        file_crc=as_str(line.get("file", ""), "file"),
        untouched=_untouched(line.get("untouched")),
        watched=as_str(line["watched"], "watched") if "watched" in line else None,
    )


def _untouched(value: object) -> Untouched | None:
    if value is None:
        return None
    found = as_object(value, "untouched")
    names = as_list(found.get("put_back", []), "untouched.put_back", longest=1024)
    return Untouched(
        checked=as_str(found.get("checked"), "untouched.checked"),
        put_back=tuple(as_str(name, "untouched.put_back") for name in names),
        lent=as_bool(found.get("lent", False), "untouched.lent"),
    )


def _probes_by_part(value: object, where: str) -> Mapping[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for part, probes in as_object(value, where).items():
        here = f"{where} of {part}"
        found[part] = tuple(as_int(probe, here) for probe in as_list(probes, here))
    return found


def _line(fields: Mapping[str, object]) -> bytes:
    return sealed(json.dumps(strict(fields), allow_nan=False).encode("ascii")) + b"\n"
