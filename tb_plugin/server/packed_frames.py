"""Reads the arrays that the page asks for and packs them into frames. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, UInt8

from attn_monitor.core.errors import NotRecordedError
from attn_monitor.core.nouns import Split
from attn_monitor.store import Run
from attn_monitor.store.codec import LEVELS, encode_attention
from attn_monitor.store.lru import ByteLru
from attn_monitor.store.names import map_shape
from tb_plugin.server.coarse_answers import coarse_codes, keeps_coarse
from tb_plugin.server.means import FIRST, attention_at, metric_values_at, probe_at
from tb_plugin.server.merge import join_tokens, merge_tokens
from tb_plugin.server.queries import MapQuery
from tb_plugin.server.windowed import keeps_window, window_codes
from tb_plugin.server.wire import absolute_frame, attention_frame, series_frame

LARGEST_FRAME = 2**26  # weights: as many bytes, three times while it is made

_Layer = tuple[np.ndarray, np.ndarray]
LayerCache = ByteLru[tuple[object, ...], _Layer]


class MapReader:
    """Packs attention maps into frames; recently shown layers stay in memory."""

    def __init__(self, cache_bytes: int) -> None:
        self._cache = LayerCache(cache_bytes)

    @property
    def cached_bytes(self) -> int:
        """Memory taken by recently shown layers."""
        return self._cache.size

    def frame(self, run: Run, query: MapQuery) -> bytes:
        """Return the frame of the wanted maps, [layer, head, query, key].

        Raises:
            NotRecordedError: They are not in the recording, the window lies outside, or all of it
                would be more than a browser can take at once.
            CorruptRecordingError: The step's file is damaged.
        """
        layers = query.layers
        if layers is None:
            layers = tuple(range(len(run.part(query.part).layers)))
        _check_size(run, query, len(layers))
        made = _is_made(run, query.probe)
        if query.window.merge > 1 or made:
            merged = [self._merged(run, query, layer) for layer in layers]
            return absolute_frame(
                np.stack([m[0] for m in merged]), np.stack([m[1] for m in merged])
            )
        found = self._layers(run, query, layers)
        codes = np.stack([layer[0] for layer in found])
        row_max = np.stack([layer[1] for layer in found])
        whole = run.rows_sum_to_one(step=query.step, probe=query.probe, part=query.part)
        if whole and query.window.is_whole:
            return attention_frame(codes, row_max)
        keys = query.window.keys
        return absolute_frame(*cut(codes, row_max, keys=keys, rows_sum_to_one=whole))

    def _merged(self, run: Run, query: MapQuery, layer: int) -> _Layer:
        """Return one layer with tokens joined, or of a window; whole maps are never kept for it."""
        step, part, probe = query.step, query.part, query.probe
        identity = (run.writing(step), part, probe, query.window, layer)
        known = self._cache.find(identity)
        if known is not None:
            return known
        merged = _rectangle(run, query, layer)
        self._cache.keep(identity, merged, merged[0].nbytes + merged[1].nbytes)
        return merged

    def _layers(self, run: Run, query: MapQuery, layers: Sequence[int]) -> list[_Layer]:
        step, part, probe, rows = query.step, query.part, query.probe, query.window.rows
        identity = (run.writing(step), part, probe, rows)
        found = {layer: self._cache.find((*identity, layer)) for layer in layers}
        missing = tuple(layer for layer in layers if found[layer] is None)
        if missing:
            codes, row_max = run.codes(step=step, probe=probe, part=part, layers=missing, rows=rows)
            for at, layer in enumerate(missing):
                # Copies, or one cached layer would keep the bytes of all layers alive.
                fresh = (codes[at].copy(), row_max[at].copy())
                found[layer] = fresh
                self._cache.keep((*identity, layer), fresh, fresh[0].nbytes + fresh[1].nbytes)
        return [pair for layer in layers if (pair := found[layer]) is not None]


def _rectangle(run: Run, query: MapQuery, layer: int) -> _Layer:
    step, part, probe, window = query.step, query.part, query.probe, query.window
    if probe >= FIRST:
        maps = attention_at(run, step=step, probe=probe, part=part, layer=layer)
        some = maps[:, _inside("rows", window.rows, maps.shape[1])]
        some = some[..., _inside("keys", window.keys, maps.shape[2])]
        codes, row_max = encode_attention(join_tokens(some, window.merge))
        return codes, row_max.astype(np.float32)
    if keeps_window(run, probe):
        return window_codes(
            run,
            step=step,
            probe=probe,
            part=part,
            layer=layer,
            rows=window.rows,
            keys=window.keys,
            merge=window.merge,
        )
    if keeps_coarse(run, probe):
        _, _, queries, keys = map_shape(run.part(part), run.probe(probe))
        whole = window.rows in {None, (0, queries)} and window.keys in {None, (0, keys)}
        asked = {"step": step, "probe": probe, "layer": layer, "merge": window.merge}
        return coarse_codes(run, part=part, whole=whole, **asked)
    codes, row_max = run.codes(step=step, probe=probe, part=part, layers=(layer,), rows=window.rows)
    return merge_tokens(
        codes[0],
        row_max[0],
        keys=window.keys,
        size=window.merge,
        rows_sum_to_one=run.rows_sum_to_one(step=step, probe=probe, part=part),
    )


def _inside(name: str, span: tuple[int, int] | None, size: int) -> slice:
    start, stop = (0, size) if span is None else span
    if not 0 <= start < stop <= size:
        raise NotRecordedError(f"{name}={start}:{stop} lies outside 0:{size}")
    return slice(start, stop)


def _is_made(run: Run, probe: int) -> bool:
    """Return whether maps are not sent as they were stored, but made of what was."""
    return probe >= FIRST or keeps_window(run, probe) or keeps_coarse(run, probe)


def _check_size(run: Run, query: MapQuery, layers: int) -> None:
    part = run.part(query.part)
    _, heads, queries, keys = map_shape(part, probe_at(run, query.probe))
    rows = queries if query.window.rows is None else query.window.rows[1] - query.window.rows[0]
    read = heads * rows * keys
    if max(read, layers * read // query.window.merge**2) > LARGEST_FRAME:
        raise NotRecordedError(
            f"{layers} layers x {heads} heads x {rows} x {keys} weights are too many for one "
            "reply; ask for fewer with layers=, rows= and keys="
        )


def cut(
    codes: UInt8[np.ndarray, "layer head query key"],
    row_max: Float32[np.ndarray, "layer head query"],
    *,
    keys: tuple[int, int] | None,
    rows_sum_to_one: bool = True,
) -> tuple[UInt8[np.ndarray, "layer head query keys"], Float32[np.ndarray, "layer head query"]]:
    """Return some key columns of coded maps, and the factor that makes their values absolute.

    With ``c = code / 255`` weights are ``c² · row_max``. Where rows sum to 1 they are divided by
    ``Σ c² · row_max``: the maximum cancels, and the factor is ``1 / Σ c²`` over the whole row.

    Raises:
        NotRecordedError: The window lies outside the maps.
    """
    columns = _inside("keys", keys, codes.shape[3])
    if not rows_sum_to_one:
        return codes[..., columns], row_max
    total = np.empty(row_max.shape, dtype=np.float32)
    for layer, some in enumerate(codes):
        for head, one in enumerate(some):  # as floats, maps take four times their bytes
            wide = one.astype(np.float32)
            total[layer, head] = np.einsum("qk,qk->q", wide, wide) / np.float32(LEVELS**2)
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    scale[np.isnan(row_max)] = np.nan
    return codes[..., columns], scale


def metrics_frame(run: Run, *, part: str, probe: int | None, split: Split) -> bytes:
    """Return all metrics over all steps, [step, layer, head, metric].

    Args:
        run: A recording that does not change meanwhile.
        part: Name of a part.
        probe: Index of a probe, or ``None`` for the mean over a split.
        split: Whose mean.

    Raises:
        NotRecordedError: No such part or probe.
    """
    values = metric_values_at(run, part=part, probe=probe, split=split)
    return series_frame(np.asarray(run.steps, dtype=np.float64), values)
