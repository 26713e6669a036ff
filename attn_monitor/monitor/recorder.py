"""Replay the probes and reduce every attention call the moment it is seen."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from torch import nn

from attn_monitor.analysis import MetricSet
from attn_monitor.capture import Record, capture
from attn_monitor.capture.outputs import Outputs
from attn_monitor.capture.tensors import to_numpy
from attn_monitor.core.arrays import mean_of_defined
from attn_monitor.core.class_answer import ClassLayer
from attn_monitor.core.maps import Maps, MapsByRows
from attn_monitor.core.nouns import MEASURED, Part, Probe
from attn_monitor.monitor.answers import OUTPUT_SPECS, output_statistics
from attn_monitor.monitor.budget import Plan, keep_within
from attn_monitor.monitor.class_reader import ClassReader, find_classes, forget
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.layout import Layout, Replay
from attn_monitor.monitor.observation import Observation, nothing_seen
from attn_monitor.monitor.passes import REMEDY
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.view import View


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Observe one model on the probes of one layout, again and again."""

    model: nn.Module
    layout: Layout
    metrics: MetricSet
    budget_bytes: int
    failures: Failures
    plan: Plan = field(init=False)
    classes: ClassReader | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        layout = self.layout
        self.plan = keep_within(self.budget_bytes, layout.parts, layout.probes, layout.widths)
        if self.plan.empty:
            self.failures.report(
                f"not even one head's coarse map fits budget_mb={self.budget_bytes / 1e6:g}; "
                "metrics are recorded and maps are not. Raise budget_mb",
                doing="planning the recording",
            )

    def uniform(self) -> dict[str, Float[np.ndarray, "layer metric"]]:
        """Return the metrics of evenly spread attention: the baseline of each part and layer."""
        rows: dict[str, Float[np.ndarray, "layer metric"]] = {}
        probes = [p for p in self.layout.probes if p.split == "val"]
        for part in self.layout.parts:
            values = np.stack([self.metrics.uniform(_blank(part, probe)) for probe in probes])
            rows[part.name] = np.repeat(
                mean_of_defined(values, axes=(0,))[None], len(part.layers), axis=0
            )
        return rows

    def observe(self, replay: Replay) -> Observation:
        """Replay every probe batch; return its maps and vectors, and metrics to be finished."""
        seen = nothing_seen(self.layout, metrics=self.metrics, statistics=len(OUTPUT_SPECS))
        first = 0
        for batch in self.layout.batches:
            sink = _Sink(self.layout, self.plan, seen, batch, first, self.failures)
            with capture(self.model, sink=sink, verify=False) as attention:
                replay(batch.batch)
            for error in attention.errors:
                self.failures.report(error, doing="capturing attention")
            with self.failures.contained("reading the model's output"):
                answers = output_statistics(attention.outputs, batch.tokens)
                seen.outputs[first : first + len(batch.rows)] = answers[list(batch.rows)]
            with self.failures.contained("reading what tokens add to the classes"):
                self._read_classes(seen, batch, first, attention.outputs, replay)
            first += len(batch.rows)
        return seen

    def find_classes(self, replay: Replay) -> ClassLayer | None:
        """Replay the first batch to see whether the model classifies sentences, and how."""
        batch = self.layout.batches[0]
        with self.failures.contained("looking for the model's classes"):
            with capture(self.model, sink=forget, verify=False) as attention:
                replay(batch.batch)
            self.classes = find_classes(self.model, attention.outputs, batch.tokens)
        return None if self.classes is None else self.classes.layer

    def _read_classes(
        self, seen: Observation, batch: ProbeBatch, first: int, outputs: Outputs, replay: Replay
    ) -> None:
        if self.classes is None or batch.split not in MEASURED:
            return
        answers = self.classes.answers(outputs, batch.tokens, lambda: replay(batch.batch))
        for offset, row in enumerate(batch.rows):
            probe = self.layout.probes[first + offset]
            if row in answers:
                seen.classes[probe.index] = answers[row]


@dataclass(frozen=True, slots=True)
class _Sink:
    """Reduce the records of one probe batch, whose first probe has index ``first``."""

    layout: Layout
    plan: Plan
    seen: Observation
    batch: ProbeBatch
    first: int
    failures: Failures

    def __call__(self, record: Record) -> None:
        place = self.layout.places.get((record.module, record.call))
        if place is None:
            return
        part, layer = self.layout.part(place[0]), place[1]
        logits = record.logit_max() if self.batch.split in MEASURED else None
        largest = None if logits is None else to_numpy(logits)
        for offset, row in enumerate(self.batch.rows):
            probe = self.layout.probes[self.first + offset]
            view = View(record, part, probe, self.batch, row, largest)
            if view.fits:
                self._reduce(view, layer)
            else:
                self.failures.report(
                    f"{record.module} read fewer tokens than the sentence has. {REMEDY}",
                    doing="recording attention",
                )

    def _reduce(self, view: View, layer: int) -> None:
        probe, part = view.probe, view.part
        kept = self.plan.kept[probe.index]
        if probe.measured or kept.form != "metrics":
            maps = view.maps()
            if not isinstance(maps, MapsByRows) and np.isnan(maps.attn.sum()):
                self.failures.report(
                    "attention weights are NaN; they are recorded as what they are",
                    doing="recording attention",
                    once=True,
                )
            if probe.measured:
                table = self.seen.metrics[part.name][probe.index, layer, : maps.heads]
                self.seen.deferred.add(maps, table)
            self.seen.keep_maps(maps, kept, part=part, layer=layer)
        if kept.vectors:
            self.seen.keep_vectors(*view.vectors(), kept, part=part, layer=layer)


def _blank(part: Part, probe: Probe) -> Maps:
    query, key = probe.axes(part)
    return Maps(
        attn=np.zeros((1, len(query), len(key))),
        causal=part.causal,
        cross=part.kind == "cross",
        special=key.special,
        key_tokens=key.text,
    )
