"""What all probes showed at one step, filled layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis import MetricSet
from attn_monitor.analysis.coarse import coarse_maps
from attn_monitor.core.arrays import evenly_spread
from attn_monitor.core.class_answer import ClassAnswer
from attn_monitor.core.kept import Kept, stretch_edges, stretch_length
from attn_monitor.core.maps import Maps, MapsByRows
from attn_monitor.core.nouns import Part, metric_rows
from attn_monitor.monitor.deferred import Calls, Deferred
from attn_monitor.monitor.layout import Layout
from attn_monitor.store import MapWindow, Thumbnail, Vectors

_Maps = dict[int, Float[np.ndarray, "layer head query key"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What all probes showed at one step; all of it is there once :meth:`finish` was called.

    Attributes:
        attention: Part -> probe index -> maps cropped to valid tokens, heads padded with zeros.
            Probes beyond the byte budget are missing here, never in the metrics.
        windows: Part -> probe index -> the first tokens of maps too large to keep.
        thumbnails: Part -> probe index -> coarse maps.
        vectors: Part -> probe index -> queries, keys and values of the lens probes.
        metrics: Part -> one value per measured probe (those come first), layer, head and metric;
            NaN where undefined.
        outputs: The model's answer to each probe in a few numbers; NaN where undefined.
        deferred: Metrics not yet computed.
        calls: Attention calls not yet looked at.
        classes: Probe index -> class scores and what every token adds to them; empty for models
            that do not classify sentences.
        later: What is to be written over metrics once they are computed.
        watched: Why every operator was watched and not those alone that were known to matter; one
            reason per batch where that was so.
    """

    attention: dict[str, _Maps]
    windows: dict[str, dict[int, MapWindow]]
    thumbnails: dict[str, dict[int, Thumbnail]]
    vectors: dict[str, dict[int, Vectors]]
    metrics: dict[str, Float[np.ndarray, "measured layer head metric"]]
    outputs: Float[np.ndarray, "probe statistic"]
    deferred: Deferred
    calls: Calls = field(default_factory=Calls)
    classes: dict[int, ClassAnswer] = field(default_factory=dict)
    later: list[Callable[[], None]] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)

    def finish(self) -> None:
        """Compute what waits; may run in any thread, once.

        Raises:
            Exception: The last error of a call or a metric, after everything else was done.
        """
        try:
            self.calls.finish()
        finally:
            try:
                self.deferred.finish()
            finally:
                for write in self.later:
                    write()

    @property
    def nbytes(self) -> int:
        """Memory that it holds until it is written, in bytes."""
        maps = (m for found in self.attention.values() for m in found.values())
        windows = (w.attn for found in self.windows.values() for w in found.values())
        small = (t.cells for found in self.thumbnails.values() for t in found.values())
        pairs = [pair for found in self.vectors.values() for pair in found.values()]
        sides = (side for pair in pairs for side in (pair.query, pair.key, pair.value))
        arrays = [*maps, *windows, *small, *self.metrics.values(), self.outputs]
        arrays += [side for side in sides if side is not None]
        waiting = self.deferred.nbytes + self.calls.nbytes
        return waiting + sum(array.nbytes for array in arrays)

    def keep_maps(
        self, maps: Maps, kept: Kept, *, part: Part, layer: int, head: int = 0
    ) -> Float[np.ndarray, "head query key"] | None:
        """Keep of a layer's maps what the budget lets a probe have; floats, coded when written.

        Returns the maps where they are kept whole, not to be changed.

        Args:
            maps: Maps of some or all heads of the layer.
            kept: What the probe may have.
            part: The part.
            layer: The layer.
            head: Which head of the layer the first map is of.
        """
        place: Float[np.ndarray, "head query key"] | None = None
        if kept.form == "whole":
            found = self.attention[part.name]
            if kept.probe not in found:
                found[kept.probe] = _unseen(part, maps.queries, maps.keys)
            place = found[kept.probe][layer, head : head + maps.heads]
            if isinstance(maps, MapsByRows):
                for first, block in maps.blocks():
                    place[:, first : first + block.shape[1]] = block
            else:
                place[:] = maps.attn
        if kept.window:
            self._keep_window(maps, kept, part=part, layer=layer, head=head)
        if kept.cells:
            self._keep_thumbnail(maps, kept, part=part, layer=layer, head=head)
        return place

    def _keep_window(self, maps: Maps, kept: Kept, *, part: Part, layer: int, head: int) -> None:
        windows = self.windows[part.name]
        queries, keys = min(maps.queries, kept.window), min(maps.keys, kept.window)
        if kept.probe not in windows:
            windows[kept.probe] = MapWindow(attn=_unseen(part, queries, keys))
        corner = maps.rows(0, queries)[:, :, :keys]
        windows[kept.probe].attn[layer, head : head + maps.heads] = corner

    def _keep_thumbnail(self, maps: Maps, kept: Kept, *, part: Part, layer: int, head: int) -> None:
        layers = evenly_spread(len(part.layers), kept.layers)
        heads = evenly_spread(part.heads, kept.heads)
        if layer not in layers:
            return
        thumbnails = self.thumbnails[part.name]
        if kept.probe not in thumbnails:
            length = stretch_length(maps.queries, maps.keys, kept.cells)
            edges = stretch_edges(maps.queries, length), stretch_edges(maps.keys, length)
            shape = len(layers), len(heads), len(edges[0]) - 1, len(edges[1]) - 1
            thumbnails[kept.probe] = Thumbnail(
                cells=np.zeros(shape, dtype=np.float32),
                layers=layers,
                heads=heads,
                query_edges=edges[0],
                key_edges=edges[1],
            )
        coarse = coarse_maps(maps, cells=kept.cells)
        for at, wanted in enumerate(heads):
            if head <= wanted < head + maps.heads:
                thumbnails[kept.probe].cells[layers.index(layer), at] = coarse[wanted - head]

    def keep_vectors(
        self,
        query: Float[np.ndarray, "head query d_head"],
        key: Float[np.ndarray, "head key d_head"],
        value: Float[np.ndarray, "head key d_value"],
        kept: Kept,
        *,
        part: Part,
        layer: int,
        head: int = 0,
    ) -> None:
        """Keep the queries, keys and values of a layer's heads, from ``head`` on."""
        found = self.vectors[part.name]
        known = found.get(kept.probe)
        if known is None:
            shape = (len(part.layers), part.heads)
            known = Vectors(
                query=np.zeros((*shape, *query.shape[1:]), dtype=np.float32),
                key=np.zeros((*shape, *key.shape[1:]), dtype=np.float32),
                value=np.zeros((*shape, *value.shape[1:]), dtype=np.float32),
                widths=np.zeros((*shape, 2), dtype=np.int64),
            )
        place = layer, slice(head, head + len(query))
        if known.widths is not None and known.value is not None:
            known.widths[place] = query.shape[-1], value.shape[-1]
            pairs = (known.query, query), (known.key, key), (known.value, value)
            if kept.probe in found and all(a.shape[-1] >= b.shape[-1] for a, b in pairs):
                for there, vectors in pairs:
                    there[(*place, slice(None), slice(vectors.shape[-1]))] = vectors
                return
            found[kept.probe] = Vectors(
                query=_with(known.query, query, place),
                key=_with(known.key, key, place),
                value=_with(known.value, value, place),
                widths=known.widths,
            )


def nothing_seen(layout: Layout, *, metrics: MetricSet, statistics: int) -> Observation:
    """Return an observation to be filled, every number in it NaN."""
    parts, rows = layout.parts, metric_rows(layout.probes)
    return Observation(
        attention={part.name: {} for part in parts},
        windows={part.name: {} for part in parts},
        thumbnails={part.name: {} for part in parts},
        vectors={part.name: {} for part in parts},
        metrics={
            part.name: np.full(
                (rows, len(part.layers), part.heads, len(metrics)), np.nan, dtype=np.float32
            )
            for part in parts
        },
        outputs=np.full((len(layout.probes), statistics), np.nan, dtype=np.float32),
        deferred=Deferred(metrics),
    )


def _with(
    known: Float[np.ndarray, "layer head token known"],
    vectors: Float[np.ndarray, "some token width"],
    place: tuple[int, slice],
) -> Float[np.ndarray, "layer head token widest"]:
    """Return known vectors with those of some heads of a layer, as wide as the widest of them."""
    if (more := vectors.shape[-1] - known.shape[-1]) > 0:
        known = np.pad(known, ((0, 0), (0, 0), (0, 0), (0, more)))
    known[(*place, slice(None), slice(vectors.shape[-1]))] = vectors
    return known


def _unseen(part: Part, queries: int, keys: int) -> Float[np.ndarray, "layer head query key"]:
    """Return maps of which nothing was seen yet: NaN, and 0 in heads that a layer does not have."""
    maps = np.zeros((len(part.layers), part.heads, queries, keys), dtype=np.float32)
    for at, layer in enumerate(part.layers):
        maps[at, : layer.heads] = np.nan
    return maps
