"""Turns a recorded step into the bytes of its zip file."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float16

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.types import Part
from attn_monitor.store.codec import CODE_NAME, DECODE_RULE, encode_attention, sums_to_one
from attn_monitor.store.layout import (
    CODES,
    KEY_VECTORS,
    QUERY_VECTORS,
    ROW_MAX,
    ROWS_SUM_TO_ONE,
    part_group,
    probe_group,
    rows_per_chunk,
)
from attn_monitor.store.records import RunInfo, StepRecord
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
    if maps or vectors:
        builder.group(part_group(info.parts, part), {"part": part.name, "kind": part.kind})
    for probe in sorted(maps.keys() | vectors.keys()):
        group = probe_group(info.parts, part, probe)
        builder.group(group, {"probe": probe})
        if probe in maps:
            _add_maps(builder, group, maps[probe])
        if probe in vectors:
            _add_vectors(builder, f"{group}/{QUERY_VECTORS}", "query", vectors[probe].query)
            _add_vectors(builder, f"{group}/{KEY_VECTORS}", "key", vectors[probe].key)


def _add_maps(
    builder: StepFileBuilder, group: str, maps: Float[np.ndarray, "layer head query key"]
) -> None:
    codes, row_max = encode_attention(maps)
    _, heads, queries, keys = codes.shape
    builder.array(
        f"{group}/{CODES}",
        codes,
        dimension_names=("layer", "head", "query", "key"),
        chunk=(1, heads, rows_per_chunk(heads, queries, keys), keys),
        attributes={
            "code": CODE_NAME,
            "decode": DECODE_RULE,
            ROWS_SUM_TO_ONE: sums_to_one(maps),
        },
    )
    builder.array(
        f"{group}/{ROW_MAX}",
        row_max,
        dimension_names=("layer", "head", "query"),
        chunk=row_max.shape,
        attributes={},
    )


def _add_vectors(
    builder: StepFileBuilder,
    path: str,
    token_axis: str,
    vectors: Float[np.ndarray, "layer head token d_head"],
) -> None:
    half: Float16[np.ndarray, "layer head token d_head"] = np.clip(
        vectors, -_LARGEST_HALF, _LARGEST_HALF
    ).astype(np.float16)
    builder.array(
        path,
        half,
        dimension_names=("layer", "head", token_axis, "d_head"),
        chunk=(1, *half.shape[1:]),
        attributes={},
    )
