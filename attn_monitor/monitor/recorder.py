"""Replay the probes and reduce every attention call the moment it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from attn_monitor.analysis import metric_specs, uniform_reference
from attn_monitor.capture import Record, capture
from attn_monitor.core.maps import Maps
from attn_monitor.core.types import MetricSpec, Part, Probe
from attn_monitor.monitor.answers import OUTPUT_SPECS, output_statistics
from attn_monitor.monitor.budget import Kept, keep_within
from attn_monitor.monitor.deferred import Deferred
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.layout import Layout, Replay
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.streamed import metrics_head_by_head
from attn_monitor.store import Vectors

LARGEST_LAYER = 1 << 24  # weights of one layer and sentence that may exist at once: 64 MB

ProbeMaps = dict[int, Float[np.ndarray, "layer head query key"]]
ProbeVectors = dict[int, Vectors]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What all probes showed at one step.

    Attributes:
        attention: Part -> probe index -> maps cropped to valid tokens, heads padded with zeros.
            Probes beyond the byte budget are missing here, never in the metrics.
        vectors: Part -> probe index -> queries and keys of the lens probes.
        metrics: Part -> one value per probe, layer, head and metric; NaN where undefined, for lens
            probes, and until ``deferred.finish()`` was called.
        outputs: The model's answer to each probe in a few numbers; NaN where undefined.
        deferred: Metrics not yet computed.
    """

    attention: Mapping[str, ProbeMaps]
    vectors: Mapping[str, ProbeVectors]
    metrics: Mapping[str, Float[np.ndarray, "probe layer head metric"]]
    outputs: Float[np.ndarray, "probe statistic"]
    deferred: Deferred = field(default_factory=Deferred)


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Observe one model on the probes of one layout, again and again."""

    model: nn.Module
    layout: Layout
    budget_bytes: int
    failures: Failures
    specs: tuple[MetricSpec, ...] = field(init=False)
    kept: Kept = field(init=False)

    def __post_init__(self) -> None:
        self.specs = metric_specs()
        layout = self.layout
        self.kept = keep_within(self.budget_bytes, layout.parts, layout.probes, layout.widths)
        if not self.kept.maps:
            self.failures.report(
                f"the maps of a single probe need more than budget_mb={self.budget_bytes / 1e6:g}; "
                "metrics are recorded and maps are not. Raise budget_mb or probe shorter sentences",
                doing="planning the recording",
            )

    def uniform(self) -> dict[str, Float[np.ndarray, "layer metric"]]:
        """Return the metrics of evenly spread attention: the baseline of each part and layer."""
        rows: dict[str, Float[np.ndarray, "layer metric"]] = {}
        probes = [p for p in self.layout.probes if p.split == "val"]
        for part in self.layout.parts:
            values = np.stack([uniform_reference(_blank(part, probe)) for probe in probes])
            rows[part.name] = np.repeat(_mean_of_defined(values)[None], len(part.layers), axis=0)
        return rows

    def observe(self, replay: Replay) -> Observation:
        """Replay every probe batch; return its maps and vectors, and metrics to be finished."""
        seen = _empty(self.layout, len(self.specs))
        first = 0
        for batch in self.layout.batches:
            sink = _Sink(self.layout, self.kept, seen, batch, first)
            with capture(self.model, sink=sink, verify=False) as attention:
                replay(batch.batch)
            for error in attention.errors:
                self.failures.report(error, doing="capturing attention")
            with self.failures.contained("reading the model's output"):
                answers = output_statistics(attention.outputs, batch.tokens)
                seen.outputs[first : first + len(batch.rows)] = answers[list(batch.rows)]
            first += len(batch.rows)
        return seen


@dataclass(frozen=True, slots=True)
class _Sink:
    """Reduce the records of one probe batch, whose first probe has index ``first``."""

    layout: Layout
    kept: Kept
    seen: Observation
    batch: ProbeBatch
    first: int

    def __call__(self, record: Record) -> None:
        place = self.layout.places.get((record.module, record.call))
        if place is None:
            return
        part, layer = self.layout.part(place[0]), place[1]
        logits = record.logit_max()
        largest = None if logits is None else _numpy(logits)
        for offset, row in enumerate(self.batch.rows):
            probe = self.layout.probes[self.first + offset]
            view = _View(record, part, probe, self.batch, row, largest)
            self._reduce(view, layer)

    def _reduce(self, view: _View, layer: int) -> None:
        probe, part, heads = view.probe, view.part, view.record.heads
        table = self.seen.metrics[part.name][probe.index, layer, :heads]
        measured = probe.split != "lens"
        query, key = probe.axes(part)
        if heads * len(query) * len(key) > LARGEST_LAYER:
            if measured:
                table[:] = metrics_head_by_head(
                    heads, lambda head: view.maps(slice(head, head + 1))
                )
            if probe.index in self.kept.maps:
                self._keep_maps(view, view.maps().attn, layer)
            return
        maps = view.maps()
        if measured:
            self.seen.deferred.add(maps, table)
        if probe.index in self.kept.maps:
            self._keep_maps(view, maps.attn, layer)
        if probe.index in self.kept.vectors:
            self._keep_vectors(view, layer)

    def _keep_maps(
        self, view: _View, attn: Float[np.ndarray, "head query key"], layer: int
    ) -> None:
        kept = self.seen.attention[view.part.name]
        heads, queries, keys = attn.shape
        if view.probe.index not in kept:
            shape = (len(view.part.layers), view.part.heads, queries, keys)
            kept[view.probe.index] = np.zeros(shape, dtype=np.float32)
        kept[view.probe.index][layer, :heads] = attn

    def _keep_vectors(self, view: _View, layer: int) -> None:
        kept = self.seen.vectors[view.part.name]
        query, key = view.vectors()
        if view.probe.index not in kept:
            shape = (len(view.part.layers), view.part.heads)
            kept[view.probe.index] = Vectors(
                query=np.zeros((*shape, *query.shape[1:]), dtype=np.float32),
                key=np.zeros((*shape, *key.shape[1:]), dtype=np.float32),
            )
        pair = kept[view.probe.index]
        pair.query[layer, : len(query)] = query
        pair.key[layer, : len(key)] = key


@dataclass(frozen=True, slots=True)
class _View:
    """One sentence of one record, cropped to its valid tokens."""

    record: Record
    part: Part
    probe: Probe
    batch: ProbeBatch
    row: int
    logit_max: Float[np.ndarray, "sentence head"] | None

    def maps(self, heads: slice = slice(None)) -> Maps:
        """Return the maps of some heads."""
        query, key = self._spans()
        sentence = slice(self.row, self.row + 1)
        weights = _numpy(self.record.weights(sentence, heads)[0])
        return Maps(
            # A copy: these may be the model's own numbers, and metrics are computed later.
            attn=np.array(weights[:, query, key]),
            causal=self.part.causal,
            cross=self.part.kind == "cross",
            special=self.probe.axes(self.part)[1].special,
            key_tokens=self.probe.axes(self.part)[1].text,
            logit_max=None if self.logit_max is None else self.logit_max[self.row, heads],
        )

    def vectors(
        self,
    ) -> tuple[
        Float[np.ndarray, "head query d_head"],
        Float[np.ndarray, "head key d_head"],
    ]:
        """Return queries and keys; keys shared by a group of heads are repeated for each."""
        query, key = self._spans()
        queries = _numpy(self.record.query[self.row])[:, query]
        keys = _numpy(self.record.key[self.row])[:, key]
        return queries, np.repeat(keys, self.record.heads // keys.shape[0], axis=0)

    def _spans(self) -> tuple[slice, slice]:
        """Return the columns of the valid query and key tokens in the padded batch."""
        query, key = self.probe.axes(self.part)
        source, target = self.batch.tokens.source, self.batch.tokens.target
        asking = target if target is not None and query is not self.probe.source else source
        answering = source if self.part.kind == "cross" else asking
        start, key_start = asking.starts[self.row], answering.starts[self.row]
        return slice(start, start + len(query)), slice(key_start, key_start + len(key))


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()


def _empty(layout: Layout, metrics: int) -> Observation:
    probes = len(layout.probes)
    return Observation(
        attention={part.name: {} for part in layout.parts},
        vectors={part.name: {} for part in layout.parts},
        metrics={
            part.name: np.full(
                (probes, len(part.layers), part.heads, metrics), np.nan, dtype=np.float32
            )
            for part in layout.parts
        },
        outputs=np.full((probes, len(OUTPUT_SPECS)), np.nan, dtype=np.float32),
    )


def _blank(part: Part, probe: Probe) -> Maps:
    query, key = probe.axes(part)
    return Maps(
        attn=np.zeros((1, len(query), len(key))),
        causal=part.causal,
        cross=part.kind == "cross",
        special=key.special,
        key_tokens=key.text,
    )


def _mean_of_defined(values: Float[np.ndarray, "probe metric"]) -> Float[np.ndarray, " metric"]:
    defined = ~np.isnan(values)
    total = np.where(defined, values, 0.0).sum(axis=0)
    count = defined.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
