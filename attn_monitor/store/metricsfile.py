"""``metrics.f32``: where a step's numbers lie, and reading those of many steps at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from attn_monitor.core.nouns import Part, metric_rows
from attn_monitor.store.checksum import DIGITS, crc_text, row_checksums
from attn_monitor.store.commits import Commit
from attn_monitor.store.reading import ReadOnlyFolder
from attn_monitor.store.records import RunInfo

_ITEM = 4
_FARTHEST = 2**62
Metrics = Float32[np.ndarray, "probe layer head metric"]
Outputs = Float32[np.ndarray, "probe statistic"]


def read_metrics(
    folder: ReadOnlyFolder,
    name: str,
    info: RunInfo,
    commits: Sequence[Commit],
    part: Part,
    *,
    position: int | None = None,
) -> list[Metrics | None]:
    """Return the metrics of a part at each commit; ``None`` where they are missing or damaged.

    Args:
        folder: Where the file is.
        name: Its name.
        info: The rank's description.
        commits: The steps wanted.
        part: The part wanted.
        position: Only the probe at this position of ``info.probes``; by default all of them.
    """
    ranges = [_range(info, commit, part, position) for commit in commits]
    pieces = iter(folder.read_log_pieces(name, [pair for pair in ranges if pair is not None]))
    shape = (-1, len(part.layers), part.heads, len(info.metrics))
    found: list[Metrics | None] = []
    for commit, pair in zip(commits, ranges, strict=True):
        data = b"" if pair is None else next(pieces)
        whole = pair is not None and len(data) == pair[1] - pair[0]
        whole = whole and _rows_hold(commit.metrics_crc.get(part.name, ""), data, shape, position)
        values = np.frombuffer(data, dtype="<f4").reshape(shape) if whole else None
        rows = 1 if position is not None else metric_rows(info.probes)
        found.append(None if values is None else _padded(values, rows))
    return found


def _padded(values: np.ndarray, rows: int) -> np.ndarray:
    """Return the numbers with NaN for probes that joined the recording later."""
    if len(values) >= rows:
        return values
    padded = np.full((rows, *values.shape[1:]), np.nan, dtype=np.float32)
    padded[: len(values)] = values
    return padded


def read_outputs(
    folder: ReadOnlyFolder, name: str, info: RunInfo, commits: Sequence[Commit]
) -> list[Outputs | None]:
    """Return the numbers about the model's output at each commit; ``None`` where there are none.

    Args:
        folder: Where the file is.
        name: Its name.
        info: The rank's description.
        commits: The steps wanted.
    """
    spans = [_outputs_range(info, commit) for commit in commits]
    pieces = iter(folder.read_log_pieces(name, [span for span in spans if span is not None]))
    found: list[Outputs | None] = []
    for commit, span in zip(commits, spans, strict=True):
        data = b"" if span is None else next(pieces)
        whole = span is not None and len(data) == span[1] - span[0]
        whole = whole and commit.outputs_crc in {"", crc_text(data)}
        values = np.frombuffer(data, dtype="<f4").reshape(-1, len(info.outputs)) if whole else None
        found.append(None if values is None else _padded(values, len(info.probes)))
    return found


def _rows_hold(checksums: str, data: bytes, shape: tuple[int, ...], position: int | None) -> bool:
    """Return whether metrics are those that were written; earlier versions did not say."""
    if not checksums:
        return True
    if position is not None:
        checksums = checksums[DIGITS * position : DIGITS * (position + 1)]
    one = _ITEM * shape[1] * shape[2] * shape[3]
    rows = (data[at : at + one] for at in range(0, len(data), max(1, one)))
    return row_checksums(rows) == checksums


def _outputs_range(info: RunInfo, commit: Commit) -> tuple[int, int] | None:
    """Return the first byte and the end of a step's outputs, ``None`` if their shape is wrong."""
    probes, statistics = (*commit.outputs_shape, 0, 0)[:2]
    fits = len(commit.outputs_shape) == 2 and statistics == len(info.outputs)  # noqa: PLR2004
    # No file is that large: an offset beyond it was made up.
    if not fits or not 0 < probes <= len(info.probes) or commit.outputs_start >= _FARTHEST:
        return None
    if statistics == 0:
        return None
    return commit.outputs_start, commit.outputs_start + _ITEM * probes * statistics


def metrics_problem(info: RunInfo, commit: Commit, size: int) -> str | None:
    """Return what is wrong with a step's metrics in a file of ``size`` bytes, or ``None``."""
    for part in info.parts:
        if part.name in commit.metrics_shapes:
            place = _range(info, commit, part, None)
            if place is None:
                shape = commit.metrics_shapes[part.name]
                return (
                    f"metrics of step {commit.step} have shape {shape}, not what run.json implies"
                )
            if place[1] > size:
                return f"metrics of step {commit.step} are cut off"
    return None


def _range(
    info: RunInfo, commit: Commit, part: Part, position: int | None
) -> tuple[int, int] | None:
    """Return the first byte and the end of a part's metrics, ``None`` if their shape is wrong."""
    expected = (len(part.layers), part.heads, len(info.metrics))
    probes, *rest = commit.metrics_shapes.get(part.name) or (0,)
    if tuple(rest) != expected or not 0 < probes <= len(info.probes):
        return None
    if position is not None and position >= probes:
        return None  # a probe whose attention is not measured
    start = commit.metrics_start
    for name, shape in commit.metrics_shapes.items():
        if name == part.name:
            break
        start += _ITEM * int(np.prod(shape, dtype=np.float64))
    if start > _FARTHEST:
        return None
    one = _ITEM * int(np.prod(expected))
    if position is None:
        return start, start + probes * one
    return start + position * one, start + (position + 1) * one
