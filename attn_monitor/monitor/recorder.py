"""Replay the probes and reduce every attention call the moment it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import nn

from attn_monitor.analysis import compute_metrics, metric_specs, uniform_reference
from attn_monitor.capture import Record, capture
from attn_monitor.core.maps import Maps
from attn_monitor.core.types import Part, Probe
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.layout import Layout, Replay
from attn_monitor.monitor.probes import ProbeBatch

ProbeMaps = dict[int, Float[np.ndarray, "layer head query key"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What all probes showed at one step.

    Attributes:
        attention: Part -> probe index -> maps cropped to valid tokens, heads padded with zeros.
            Probes beyond the byte budget are missing here, never in the metrics.
        metrics: Part -> one value per probe, layer, head and metric; NaN where undefined.
    """

    attention: Mapping[str, ProbeMaps]
    metrics: Mapping[str, Float[np.ndarray, "probe layer head metric"]]


class Recorder:
    """Observe one model on the probes of one layout, again and again."""

    def __init__(
        self, model: nn.Module, layout: Layout, *, budget_bytes: int, failures: Failures
    ) -> None:
        self.model = model
        self.layout = layout
        self.failures = failures
        self.kept = kept_probes(layout, budget_bytes)
        self.specs = metric_specs()

    def uniform(self) -> dict[str, Float[np.ndarray, "layer metric"]]:
        """Return the metrics of evenly spread attention: the baseline of each part and layer."""
        rows: dict[str, Float[np.ndarray, "layer metric"]] = {}
        probes = [p for p in self.layout.probes if p.split == "val"] or list(self.layout.probes)
        for part in self.layout.parts:
            values = np.stack([uniform_reference(_blank(part, probe)) for probe in probes])
            mean = _mean_of_defined(values)
            rows[part.name] = np.repeat(mean[None], len(part.layers), axis=0)
        return rows

    def observe(self, replay: Replay) -> Observation:
        """Replay every probe batch and return its maps and metrics."""
        attention: dict[str, ProbeMaps] = {part.name: {} for part in self.layout.parts}
        metrics = {
            part.name: np.full(
                (len(self.layout.probes), len(part.layers), part.heads, len(self.specs)),
                np.nan,
                dtype=np.float32,
            )
            for part in self.layout.parts
        }
        first = 0
        for batch in self.layout.batches:
            sink = _Sink(self, batch, first, attention, metrics)
            with capture(self.model, sink=sink, verify=False) as seen:
                replay(batch.batch)
            for error in seen.errors:
                self.failures.report(error, doing="capturing attention")
            first += len(batch.rows)
        return Observation(attention=attention, metrics=metrics)


class _Sink:
    """Reduce the records of one probe batch."""

    def __init__(
        self,
        recorder: Recorder,
        batch: ProbeBatch,
        first: int,
        attention: dict[str, ProbeMaps],
        metrics: dict[str, np.ndarray],
    ) -> None:
        self.recorder = recorder
        self.batch = batch
        self.first = first
        self.attention = attention
        self.metrics = metrics

    def __call__(self, record: Record) -> None:
        layout = self.recorder.layout
        place = layout.places.get((record.module, record.call))
        if place is None:
            return
        part = layout.part(place[0])
        logits = record.logit_max()
        largest = None if logits is None else logits.detach().float().cpu().numpy()
        for offset, row in enumerate(self.batch.rows):
            probe = layout.probes[self.first + offset]
            weights = record.weights(sentences=slice(row, row + 1))[0]
            maps = self._maps(
                weights.detach().float().cpu().numpy(),
                part,
                probe,
                row,
                None if largest is None else largest[row],
            )
            self._keep(maps, part, place[1], probe)

    def _maps(
        self,
        weights: Float[np.ndarray, "head query key"],
        part: Part,
        probe: Probe,
        row: int,
        logit_max: Float[np.ndarray, " head"] | None,
    ) -> Maps:
        query, key = probe.axes(part)
        tokens = self.batch.tokens
        asks_target = query is not probe.source and tokens.target is not None
        query_start = (tokens.target if asks_target else tokens.source).starts[row]  # type: ignore[union-attr]  # asks_target: there is one
        key_start = query_start if part.kind == "self" else tokens.source.starts[row]
        cropped = weights[
            :, query_start : query_start + len(query), key_start : key_start + len(key)
        ]
        return Maps(
            attn=np.ascontiguousarray(cropped),
            causal=part.causal,
            cross=part.kind == "cross",
            special=key.special,
            logit_max=logit_max,
        )

    def _keep(self, maps: Maps, part: Part, layer: int, probe: Probe) -> None:
        heads = maps.attn.shape[0]
        self.metrics[part.name][probe.index, layer, :heads] = compute_metrics(maps)
        if probe.index not in self.recorder.kept:
            return
        kept = self.attention[part.name]
        if probe.index not in kept:
            shape = (len(part.layers), part.heads, maps.queries, maps.keys)
            kept[probe.index] = np.zeros(shape, dtype=np.float32)
        kept[probe.index][layer, :heads] = maps.attn


def kept_probes(layout: Layout, budget_bytes: int) -> frozenset[int]:
    """Choose the probes whose maps fit the budget of one step, one byte per weight.

    Validation and training probes take turns, so that a small budget still holds both. The
    first probe is always kept: a recording without any map would be no recording.
    """
    by_split = [[p for p in layout.probes if p.split == split] for split in ("val", "train")]
    longest = max(len(group) for group in by_split)
    turns = [group[i] for i in range(longest) for group in by_split if i < len(group)]
    kept: list[int] = []
    used = 0
    for probe in turns:
        size = sum(_bytes(part, probe) for part in layout.parts)
        if kept and used + size > budget_bytes:
            continue
        kept.append(probe.index)
        used += size
    return frozenset(kept)


def _bytes(part: Part, probe: Probe) -> int:
    query, key = probe.axes(part)
    return len(part.layers) * part.heads * len(query) * (len(key) + 2)


def _blank(part: Part, probe: Probe) -> Maps:
    query, key = probe.axes(part)
    return Maps(
        attn=np.zeros((1, len(query), len(key))),
        causal=part.causal,
        cross=part.kind == "cross",
        special=key.special,
    )


def _mean_of_defined(values: Float[np.ndarray, "probe metric"]) -> Float[np.ndarray, " metric"]:
    defined = ~np.isnan(values)
    count = defined.sum(axis=0)
    total = np.where(defined, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
