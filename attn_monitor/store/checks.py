"""Refuses records that would make an unreadable recording, while the caller can still be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Float32

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.nouns import Part, Probe, metric_rows
from attn_monitor.store.commits import LARGEST_STEP
from attn_monitor.store.names import map_shape
from attn_monitor.store.records import RunInfo, StepRecord


def check_info(info: RunInfo) -> None:
    """Check that a description of a run holds together.

    Raises:
        ConfigurationError: Parts or probes repeat, or are empty, or a baseline has another shape.
    """
    _check_unique([part.name for part in info.parts], "part name")
    _check_unique([probe.index for probe in info.probes], "probe index")
    _check_unique([metric.name for metric in info.metrics], "metric name")
    _check_unique([output.name for output in info.outputs], "output statistic")
    for part in info.parts:
        if not part.layers:
            raise ConfigurationError(f"part {part.name!r} has no layers")
        for probe in info.probes:
            if 0 in map_shape(part, probe):
                raise ConfigurationError(f"probe {probe.index} has no tokens in {part.name!r}")
    names = {part.name: part for part in info.parts}
    for name, rows in info.uniform.items():
        _check_known(name, names, "uniform")
        wanted = (len(names[name].layers), len(info.metrics))
        if rows.shape != wanted:
            raise ConfigurationError(
                f"uniform[{name!r}] has shape {rows.shape}, wanted {wanted} = [layer, metric]"
            )


def check_record(info: RunInfo, record: StepRecord) -> None:
    """Check a step's maps and vectors against the run's description.

    Raises:
        ConfigurationError: A part or probe is unknown, or an array has another shape.
    """
    if not (0 <= record.step <= LARGEST_STEP and 0 <= record.epoch <= LARGEST_STEP):
        raise ConfigurationError(
            f"step and epoch count from 0, got step {record.step}, epoch {record.epoch}; the "
            f"largest is {LARGEST_STEP}"
        )
    parts = {part.name: part for part in info.parts}
    probes = {probe.index: probe for probe in info.probes}
    for name, maps in record.attention.items():
        _check_known(name, parts, "attention")
        for index, attn in maps.items():
            _check_known(index, probes, f"attention[{name!r}]")
            wanted = map_shape(parts[name], probes[index])
            if attn.shape != wanted:
                raise ConfigurationError(
                    f"attention[{name!r}][{index}] has shape {attn.shape}, wanted {wanted} = "
                    "[layer, head, query, key] cropped to the probe's tokens"
                )
    _check_bounded(record, parts, probes)
    _check_classes(info, record, probes)
    for name, vectors in record.vectors.items():
        _check_known(name, parts, "vectors")
        for index, pair in vectors.items():
            _check_known(index, probes, f"vectors[{name!r}]")
            layers, heads, queries, keys = map_shape(parts[name], probes[index])
            for side, found, tokens in (
                ("query", pair.query, queries),
                ("key", pair.key, keys),
                ("value", pair.key if pair.value is None else pair.value, keys),
            ):
                if found.shape[:-1] != (layers, heads, tokens):
                    raise ConfigurationError(
                        f"vectors[{name!r}][{index}].{side} has shape {found.shape}, wanted "
                        f"{(layers, heads, tokens)} and d_head = [layer, head, token, d_head]"
                    )
            if pair.widths is not None and pair.widths.shape != (layers, heads, 2):
                raise ConfigurationError(
                    f"vectors[{name!r}][{index}].widths has shape {pair.widths.shape}, wanted "
                    f"{(layers, heads, 2)} = [layer, head, of queries and of values]"
                )


def _check_classes(info: RunInfo, record: StepRecord, probes: Mapping[int, Probe]) -> None:
    count = 0 if info.classes is None else len(info.classes.names)
    for index, answer in record.classes.items():
        _check_known(index, probes, "classes")
        found = (*answer.scores.shape, *answer.contributions.shape)
        wanted = (count, len(probes[index].source), count)
        if found != wanted:
            raise ConfigurationError(
                f"classes[{index}] has scores and contributions of shape {found}, wanted {wanted} "
                "= [class], [token, class]"
            )


def _check_bounded(
    record: StepRecord, parts: Mapping[str, Part], probes: Mapping[int, Probe]
) -> None:
    for name, windows in record.windows.items():
        _check_known(name, parts, "windows")
        for index, window in windows.items():
            _check_known(index, probes, f"windows[{name!r}]")
            layers, heads, queries, keys = map_shape(parts[name], probes[index])
            found = window.attn.shape
            inside = (
                0 <= window.query_start < window.query_start + found[-2] <= queries
                and 0 <= window.key_start < window.key_start + found[-1] <= keys
            )
            if found[:-2] != (layers, heads) or not inside:
                raise ConfigurationError(
                    f"windows[{name!r}][{index}] has shape {found} from query {window.query_start} "
                    f"and key {window.key_start}, wanted [layer, head, query, key] inside "
                    f"{(layers, heads, queries, keys)}"
                )
    for name, thumbnails in record.thumbnails.items():
        _check_known(name, parts, "thumbnails")
        for index, small in thumbnails.items():
            _check_known(index, probes, f"thumbnails[{name!r}]")
            axes = (small.layers, small.heads, small.query_edges[1:], small.key_edges[1:])
            wanted = tuple(map(len, axes))
            if small.cells.shape != wanted:
                raise ConfigurationError(
                    f"thumbnails[{name!r}][{index}] has shape {small.cells.shape}, its layers, "
                    f"heads and edges describe {wanted}"
                )


def checked_metrics(
    info: RunInfo, record: StepRecord
) -> Mapping[str, Float32[np.ndarray, "_probe _layer _head _metric"]]:
    """Return the metrics as they are stored: float32, NaN where a layer has no such head.

    Raises:
        ConfigurationError: A part is unknown, or an array has another shape.
    """
    parts = {part.name: part for part in info.parts}
    checked = {}
    for name, values in record.metrics.items():
        _check_known(name, parts, "metrics")
        checked[name] = _without_padding(parts[name], info, values)
    return checked


def checked_outputs(
    info: RunInfo, record: StepRecord
) -> Float32[np.ndarray, "_probe _statistic"] | None:
    """Return the numbers about the model's output as they are stored, float32.

    Raises:
        ConfigurationError: They have another shape than the run's probes and statistics.
    """
    if record.outputs is None:
        return None
    wanted = (len(info.probes), len(info.outputs))
    if record.outputs.shape != wanted:
        raise ConfigurationError(
            f"outputs has shape {record.outputs.shape}, wanted {wanted} = [probe, statistic]"
        )
    return record.outputs.astype("<f4")


def _without_padding(
    part: Part, info: RunInfo, values: Float[np.ndarray, "probe layer head metric"]
) -> Float32[np.ndarray, "probe layer head metric"]:
    wanted = (metric_rows(info.probes), len(part.layers), part.heads, len(info.metrics))
    if values.shape != wanted:
        raise ConfigurationError(
            f"metrics[{part.name!r}] has shape {values.shape}, wanted {wanted} = "
            "[probe, layer, head, metric]"
        )
    stored = np.array(values, dtype="<f4")
    for at, layer in enumerate(part.layers):
        stored[:, at, layer.heads :] = np.nan
    return stored


def _check_unique(values: Sequence[str | int], what: str) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise ConfigurationError(f"each {what} may occur once, got {value!r} {count} times")


def _check_known(
    name: str | int, known: Mapping[str, Part] | Mapping[int, Probe], where: str
) -> None:
    if name not in known:
        raise ConfigurationError(
            f"{where} has {name!r}, which the run does not; known: {list(known)[:8]}"
        )
