"""Finds and reads the arrays of one step: attention codes, queries and keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np
from jaxtyping import Float32, UInt8

from attn_monitor.core.errors import CorruptRecordingError, NotRecordedError
from attn_monitor.store.commits import Commit
from attn_monitor.store.fields import as_int, as_list
from attn_monitor.store.names import (
    CODES,
    KEY_VECTORS,
    QUERY_VECTORS,
    ROW_MAX,
    ROWS_SUM_TO_ONE,
    VALUE_VECTORS,
    WIDTHS,
    map_shape,
    probe_group,
)
from attn_monitor.store.rank import RankView
from attn_monitor.store.records import HeadVectors
from attn_monitor.store.stepfile import StepFile
from attn_monitor.store.union import RunView

_MapForm = Literal["maps", "windows", "thumbnails"]
_READ_WITH: Final[Mapping[_MapForm, str]] = {
    "maps": "attention",
    "windows": "window",
    "thumbnails": "thumbnail",
}


def read_codes(
    view: RunView,
    *,
    step: int,
    probe: int,
    part: str,
    layers: Sequence[int] | None,
    rows: tuple[int, int] | None,
) -> tuple[UInt8[np.ndarray, "layer head query key"], Float32[np.ndarray, "layer head query"]]:
    """Return the stored attention codes of one probe and their row maxima.

    Raises:
        NotRecordedError: Not in this recording, or thinned.
        CorruptRecordingError: The step's file is damaged.
    """
    which = view.part(part)
    shape = map_shape(which, view.probe(probe))
    for layer in layers or ():
        check_index("layer", layer, len(which.layers), part)
    if rows is not None and not 0 <= rows[0] < rows[1] <= shape[2]:
        raise NotRecordedError(f"rows={rows[0]}:{rows[1]} lies outside 0:{shape[2]}")
    rank, commit = holder(view, step, probe, part)
    file = rank.step_file(commit)
    group = probe_group(view.info.parts, which, probe)
    codes = file.array(f"{group}/{CODES}", dtype="uint8", shape=shape, layers=layers, rows=rows)
    row_max = file.array(
        f"{group}/{ROW_MAX}", dtype="float16", shape=shape[:3], layers=layers, rows=rows
    )
    return codes, row_max.astype(np.float32)


def read_rows_sum_to_one(view: RunView, *, step: int, probe: int, part: str) -> bool:
    """Return whether one probe's rows summed to 1 in the model.

    Raises:
        NotRecordedError: Not in this recording, or thinned.
        CorruptRecordingError: The step's file is damaged.
    """
    which = view.part(part)
    view.probe(probe)
    rank, commit = holder(view, step, probe, part)
    group = probe_group(view.info.parts, which, probe)
    return rank.step_file(commit).flag(f"{group}/{CODES}", ROWS_SUM_TO_ONE)


def read_vectors(view: RunView, *, step: int, part: str, layer: int, head: int) -> HeadVectors:
    """Return queries, keys and values of one head over all probes that have them.

    Values are there where every one of these probes has them: older recordings have none.

    Raises:
        NotRecordedError: No vectors were recorded at this step.
        CorruptRecordingError: The step's file is damaged.
    """
    which = view.part(part)
    view.commit(step)
    check_index("layer", layer, len(which.layers), part)
    check_index("head", head, which.layers[layer].heads, part)
    queries: list[tuple[int, np.ndarray]] = []
    keys: list[tuple[int, np.ndarray]] = []
    carried: list[tuple[int, np.ndarray]] = []
    for probe, (rank, _) in sorted(view.owners.items()):
        commit = rank.commits.get(step)
        if commit is None or step not in rank.readable:
            continue
        if probe not in commit.vectors.get(part, ()):
            continue
        file = rank.step_file(commit)
        group = probe_group(view.info.parts, which, probe)
        layer_count, heads, query_count, key_count = map_shape(which, view.probe(probe))
        for found, name, tokens in (
            (queries, QUERY_VECTORS, query_count),
            (keys, KEY_VECTORS, key_count),
            (carried, VALUE_VECTORS, key_count),
        ):
            if name == VALUE_VECTORS and not file.has(f"{group}/{name}"):
                continue
            path, shape = f"{group}/{name}", (layer_count, heads, tokens, None)
            values = file.array(path, dtype="float16", shape=shape, layers=(layer,))[0, head]
            width = _width(file, path, (layer_count, heads, values.shape[-1]), layer, head)
            if width:
                found.append((probe, values[:, :width].astype(np.float32)))
    if not queries:
        raise NotRecordedError(
            f"step {step} has no query and key vectors of part {part!r}; record them with "
            "AttentionMonitor(lens_sentences=48)"
        )
    query, query_probe, query_position = _stack(queries)
    key, key_probe, key_position = _stack(keys)
    return HeadVectors(
        query=query,
        key=key,
        query_probe=query_probe,
        query_position=query_position,
        key_probe=key_probe,
        key_position=key_position,
        value=_stack(carried)[0] if len(carried) == len(keys) else None,
    )


def holder(
    view: RunView, step: int, probe: int, part: str, what: _MapForm = "maps"
) -> tuple[RankView, Commit]:
    """Return the rank that holds what is kept of a probe's maps at a step, and its commit.

    Raises:
        NotRecordedError: They were thinned, or it is something else that is kept.
    """
    view.probe(probe)
    rank, _ = view.owners[probe]
    commit = rank.commits.get(step) or view.commit(step)
    if commit.thinned:
        raise NotRecordedError(
            f"the maps of step {step} were given up to the recording's byte budget; "
            "its metrics are kept"
        )
    forms: dict[_MapForm, Mapping[str, Sequence[int]]] = {
        "maps": commit.maps,
        "windows": commit.windows,
        "thumbnails": commit.thumbnails,
    }
    if step in rank.commits and probe in forms[what].get(part, ()):
        return rank, commit
    others = [f"Run.{_READ_WITH[form]}()" for form in forms if probe in forms[form].get(part, ())]
    if step not in rank.commits:
        asked = ", ".join(map(str, sorted(rank.commits)))
        raise NotRecordedError(f"probe {probe} was not replayed at step {step}, only at {asked}")
    hint = f"; what fits the byte budget is read with {' and '.join(others)}" if others else ""
    raise NotRecordedError(f"step {step} has no {what} of probe {probe} in part {part!r}{hint}")


def check_index(kind: str, index: int, count: int, part: str) -> None:
    """Raise ``NotRecordedError`` unless ``index`` is one of ``count``."""
    if not 0 <= index < count:
        raise NotRecordedError(f"no {kind} {index} in part {part!r}; it has {count}, from 0")


def _width(file: StepFile, path: str, shape: tuple[int, int, int], layer: int, head: int) -> int:
    """Return how many entries the vectors of a head have; 0 for one that was not seen."""
    layers, heads, widest = shape
    widths = file.attributes(path).get(WIDTHS)
    if widths is None:
        return widest
    where = f"{file.describe(path)}: {WIDTHS}"
    rows = as_list(widths, where, longest=layers)
    row = as_list(rows[layer], where, longest=heads) if layer < len(rows) else ()
    if head >= len(row):
        raise CorruptRecordingError(f"{where} should be [layer, head], {layers} x {heads}")
    return as_int(row[head], where, high=widest)


def _stack(
    pieces: Sequence[tuple[int, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of all pieces, each row's probe, and each row's position in its piece."""
    values = np.concatenate([rows for _, rows in pieces])
    probes = np.concatenate([np.full(len(rows), probe) for probe, rows in pieces])
    positions = np.concatenate([np.arange(len(rows)) for _, rows in pieces])
    return values, probes, positions
