"""Reads what was kept of maps that were too large to keep: a window, and coarse maps.

Spans and edges stand in the step's file, so that it describes itself; every one of them is checked
against the sentence in ``run.json`` before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from jaxtyping import Float32

from attn_monitor.core.errors import CorruptRecordingError, NotRecordedError
from attn_monitor.store.codec import decode_attention
from attn_monitor.store.fields import as_int, as_list
from attn_monitor.store.maps import check_index, holder
from attn_monitor.store.names import (
    CODES,
    HEADS,
    KEY_EDGES,
    KEYS,
    LAYERS,
    QUERIES,
    QUERY_EDGES,
    ROW_MAX,
    ROWS_SUM_TO_ONE,
    THUMBNAIL,
    WINDOW,
    map_shape,
    probe_group,
)
from attn_monitor.store.records import MapWindow, Thumbnail
from attn_monitor.store.stepfile import StepFile
from attn_monitor.store.union import RunView


def read_window(view: RunView, *, step: int, probe: int, part: str, layer: int) -> MapWindow:
    """Return the window of one layer's maps.

    Raises:
        NotRecordedError: Not in this recording, or thinned.
        CorruptRecordingError: The step's file is damaged.
    """
    which = view.part(part)
    check_index("layer", layer, len(which.layers), part)
    layers, heads, queries, keys = map_shape(which, view.probe(probe))
    rank, commit = holder(view, step, probe, part, "windows")
    file = rank.step_file(commit)
    group = f"{probe_group(view.info.parts, which, probe)}/{WINDOW}"
    spans, where = file.attributes(group), file.describe(group)
    query = _span(spans, QUERIES, queries, where)
    key = _span(spans, KEYS, keys, where)
    shape = (layers, heads, query[1] - query[0], key[1] - key[0])
    attn = _weights(file, group, shape, layer)[: which.layers[layer].heads]
    return MapWindow(attn=attn, query_start=query[0], key_start=key[0])


def read_thumbnail(view: RunView, *, step: int, probe: int, part: str, layer: int) -> Thumbnail:
    """Return the coarse maps of one layer.

    Raises:
        NotRecordedError: Not in this recording, thinned, or none of this layer.
        CorruptRecordingError: The step's file is damaged.
    """
    which = view.part(part)
    check_index("layer", layer, len(which.layers), part)
    layers, heads, queries, keys = map_shape(which, view.probe(probe))
    rank, commit = holder(view, step, probe, part, "thumbnails")
    file = rank.step_file(commit)
    group = f"{probe_group(view.info.parts, which, probe)}/{THUMBNAIL}"
    attributes, where = file.attributes(group), file.describe(group)
    kept_layers = _ascending(attributes, LAYERS, layers - 1, where)
    kept_heads = _ascending(attributes, HEADS, heads - 1, where)
    query_edges = _edges(attributes, QUERY_EDGES, queries, where)
    key_edges = _edges(attributes, KEY_EDGES, keys, where)
    if layer not in kept_layers:
        raise NotRecordedError(
            f"step {step} has coarse maps of layers {list(kept_layers)} of part {part!r} for probe "
            f"{probe}, not of layer {layer}: its byte budget held no more"
        )
    shape = (len(kept_layers), len(kept_heads), len(query_edges) - 1, len(key_edges) - 1)
    cells = _weights(file, group, shape, kept_layers.index(layer))
    real = tuple(head for head in kept_heads if head < which.layers[layer].heads)
    return Thumbnail(
        cells=cells[: len(real)],
        layers=(layer,),
        heads=real,
        query_edges=query_edges,
        key_edges=key_edges,
    )


def _weights(
    file: StepFile, group: str, shape: tuple[int, int, int, int], layer: int
) -> Float32[np.ndarray, "head query key"]:
    codes = file.array(f"{group}/{CODES}", dtype="uint8", shape=shape, layers=(layer,))
    row_max = file.array(f"{group}/{ROW_MAX}", dtype="float16", shape=shape[:3], layers=(layer,))
    whole = file.flag(f"{group}/{CODES}", ROWS_SUM_TO_ONE)
    return decode_attention(codes[0], row_max[0], rows_sum_to_one=whole)


def _span(attributes: Mapping[str, object], name: str, tokens: int, where: str) -> tuple[int, int]:
    ends = [
        as_int(end, f"{where}: {name}", high=tokens)
        for end in as_list(attributes.get(name), f"{where}: {name}", longest=2)
    ]
    if len(ends) != 2 or ends[0] >= ends[1]:  # noqa: PLR2004 - first, and one past the last
        raise CorruptRecordingError(f"{where}: {name} should be [start, stop], got {ends}")
    return ends[0], ends[1]


def _edges(attributes: Mapping[str, object], name: str, tokens: int, where: str) -> tuple[int, ...]:
    edges = _ascending(attributes, name, tokens, where)
    if edges[0] != 0 or edges[-1] != tokens or len(edges) == 1:
        raise CorruptRecordingError(f"{where}: {name} should go from 0 to {tokens}")
    return edges


def _ascending(
    attributes: Mapping[str, object], name: str, highest: int, where: str
) -> tuple[int, ...]:
    found = as_list(attributes.get(name), f"{where}: {name}", longest=highest + 1)
    numbers = tuple(as_int(number, f"{where}: {name}", high=highest) for number in found)
    if not numbers or any(one >= other for one, other in pairwise(numbers)):
        raise CorruptRecordingError(f"{where}: {name} should be ascending numbers, got {numbers}")
    return numbers
