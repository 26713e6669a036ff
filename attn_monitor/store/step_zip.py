"""Turns a recorded step into the bytes of its zip file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float16, Int

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.nouns import Part
from attn_monitor.store.codec import CODE_NAME, DECODE_RULE, encode_attention, sums_to_one
from attn_monitor.store.names import (
    CLASS_SCORES,
    CLASSES,
    CODES,
    CONTRIBUTIONS,
    HEADS,
    KEY_EDGES,
    KEY_VECTORS,
    KEYS,
    LAYERS,
    METHOD,
    QUERIES,
    QUERY_EDGES,
    QUERY_VECTORS,
    ROW_MAX,
    ROWS_SUM_TO_ONE,
    THUMBNAIL,
    VALUE_VECTORS,
    WIDTHS,
    WINDOW,
    class_group,
    part_group,
    probe_group,
    rows_per_chunk,
)
from attn_monitor.store.records import MapWindow, RunInfo, StepRecord, Thumbnail
from attn_monitor.store.zarrzip import StepFileBuilder

_LARGEST_FILE = 2**32 - 1  # beyond it zip needs another layout
_LARGEST_HALF = float(np.finfo(np.float16).max)


def step_contents(info: RunInfo, record: StepRecord) -> bytes:
    """Return the zip file of a step: a group per part, in it a group per probe.

    Raises:
        ConfigurationError: The step's file would be larger than 4 GiB.
    """
    with StepFileBuilder({"step": record.step, "epoch": record.epoch}) as builder:
        for part in info.parts:
            _add_part(builder, info, part, record)
        _add_classes(builder, record)
        data = builder.finish()
    if len(data) > _LARGEST_FILE:
        raise ConfigurationError(
            f"step {record.step} takes {len(data) / 1e9:.1f} GB, at most 4.2 GB fit in one file; "
            "record fewer probes or set budget_mb"
        )
    return data


def _add_part(builder: StepFileBuilder, info: RunInfo, part: Part, record: StepRecord) -> None:
    maps = record.attention.get(part.name, {})
    vectors = record.vectors.get(part.name, {})
    windows = record.windows.get(part.name, {})
    thumbnails = record.thumbnails.get(part.name, {})
    present = maps.keys() | vectors.keys() | windows.keys() | thumbnails.keys()
    if present:
        builder.group(part_group(info.parts, part), {"part": part.name, "kind": part.kind})
    for probe in sorted(present):
        group = probe_group(info.parts, part, probe)
        builder.group(group, {"probe": probe})
        if probe in maps:
            _add_maps(builder, group, maps[probe], axes=("query", "key"))
        if probe in windows:
            _add_window(builder, f"{group}/{WINDOW}", windows[probe])
        if probe in thumbnails:
            _add_thumbnail(builder, f"{group}/{THUMBNAIL}", thumbnails[probe])
        if probe in vectors:
            found = vectors[probe]
            for name, token_axis, values, which in (
                (QUERY_VECTORS, "query", found.query, 0),
                (KEY_VECTORS, "key", found.key, 0),
                (VALUE_VECTORS, "key", found.value, 1),
            ):
                if values is not None:
                    widths = None if found.widths is None else found.widths[..., which]
                    attributes = _widths(part, widths, values.shape[-1])
                    _add_vectors(builder, f"{group}/{name}", token_axis, values, attributes)


def _add_classes(builder: StepFileBuilder, record: StepRecord) -> None:
    if record.classes:
        builder.group(CLASSES, {})
    for probe, answer in sorted(record.classes.items()):
        group = class_group(probe)
        method = {} if answer.method is None else {METHOD: answer.method}
        builder.group(group, {"probe": probe, **method})
        for name, values, axes in (
            (CLASS_SCORES, answer.scores[None, None], ("sentence", "answer", "class")),
            (CONTRIBUTIONS, answer.contributions[None], ("sentence", "token", "class")),
        ):
            builder.array(
                f"{group}/{name}",
                values.astype(np.float32),
                dimension_names=axes,
                chunk=values.shape,
                attributes={},
            )


def _add_window(builder: StepFileBuilder, group: str, window: MapWindow) -> None:
    queries, keys = window.attn.shape[-2:]
    spans = {
        QUERIES: [window.query_start, window.query_start + queries],
        KEYS: [window.key_start, window.key_start + keys],
    }
    builder.group(group, spans)
    _add_maps(builder, group, window.attn, axes=("query", "key"), sums=False)


def _add_thumbnail(builder: StepFileBuilder, group: str, thumbnail: Thumbnail) -> None:
    builder.group(
        group,
        {
            LAYERS: list(thumbnail.layers),
            HEADS: list(thumbnail.heads),
            QUERY_EDGES: list(thumbnail.query_edges),
            KEY_EDGES: list(thumbnail.key_edges),
        },
    )
    _add_maps(builder, group, thumbnail.cells, axes=("query_stretch", "key_stretch"))


def _add_maps(
    builder: StepFileBuilder,
    group: str,
    maps: Float[np.ndarray, "layer head query key"],
    *,
    axes: tuple[str, str],
    sums: bool | None = None,
) -> None:
    codes, row_max = encode_attention(maps)
    _, heads, queries, keys = codes.shape
    builder.array(
        f"{group}/{CODES}",
        codes,
        dimension_names=("layer", "head", *axes),
        chunk=(1, heads, rows_per_chunk(heads, queries, keys), keys),
        attributes={
            "code": CODE_NAME,
            "decode": DECODE_RULE,
            ROWS_SUM_TO_ONE: sums_to_one(maps) if sums is None else sums,
        },
    )
    builder.array(
        f"{group}/{ROW_MAX}",
        row_max,
        dimension_names=("layer", "head", axes[0]),
        chunk=row_max.shape,
        attributes={},
    )


def _widths(
    part: Part, widths: Int[np.ndarray, "layer head"] | None, widest: int
) -> Mapping[str, object]:
    """Return what says how wide each head's vectors are, where not all fill their array."""
    if widths is None or all(
        (widths[at, : layer.heads] == widest).all() for at, layer in enumerate(part.layers)
    ):
        return {}
    return {WIDTHS: widths.tolist()}


def _add_vectors(
    builder: StepFileBuilder,
    path: str,
    token_axis: str,
    vectors: Float[np.ndarray, "layer head token d_head"],
    attributes: Mapping[str, object],
) -> None:
    half: Float16[np.ndarray, "layer head token d_head"] = np.clip(
        vectors, -_LARGEST_HALF, _LARGEST_HALF
    ).astype(np.float16)
    builder.array(
        path,
        half,
        dimension_names=("layer", "head", token_axis, "d_head"),
        chunk=(1, *half.shape[1:]),
        attributes=attributes,
    )
