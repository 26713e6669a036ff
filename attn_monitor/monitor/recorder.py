"""Replay the probes and reduce every attention call the moment it is seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from attn_monitor.analysis import MetricSet
from attn_monitor.capture import AttentionCapture, Record, capture
from attn_monitor.capture.outputs import Outputs
from attn_monitor.capture.tracer import Sink
from attn_monitor.core.arrays import mean_of_defined
from attn_monitor.core.class_answer import ClassLayer
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.kept import Kept
from attn_monitor.core.maps import Maps, MapsByRows
from attn_monitor.core.nouns import MEASURED, HeadId, Part, Probe
from attn_monitor.monitor.budget import Plan, keep_within
from attn_monitor.monitor.certainty import OUTPUT_SPECS, output_statistics
from attn_monitor.monitor.class_reader import ClassReader, find_classes, forget
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.guard import Replay
from attn_monitor.monitor.head_sizes import LARGEST_LAYER, Factors, SizeTable, read_sizes
from attn_monitor.monitor.layout import Layout
from attn_monitor.monitor.muted import muted
from attn_monitor.monitor.observation import Observation, nothing_seen
from attn_monitor.monitor.passes import REMEDY
from attn_monitor.monitor.probe_pieces import Piece
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.texts import Key
from attn_monitor.monitor.turning import Ends
from attn_monitor.monitor.view import Stack, View


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
    late: dict[Key, None] = field(init=False, default_factory=dict)  # attended, not in the layout

    def __post_init__(self) -> None:
        layout = self.layout
        self.plan = keep_within(self.budget_bytes, layout.parts, layout.probes, layout.widths)
        if self.plan.empty:
            self.failures.report(
                f"not even one head's coarse map fits budget_mb={self.budget_bytes / 1e6:g}; "
                "metrics are recorded and maps are not. Raise budget_mb",
                doing="planning the recording",
            )

    def over(self, layout: Layout) -> Recorder:
        """Return one that observes more of the same model."""
        recorder = replace(self, layout=layout)
        recorder.classes = self.classes
        return recorder

    def uniform(self) -> dict[str, Float[np.ndarray, "layer metric"]]:
        """Return the metrics of evenly spread attention: the baseline of each part and layer."""
        rows: dict[str, Float[np.ndarray, "layer metric"]] = {}
        measured = [p for p in self.layout.probes if p.measured]
        probes = [p for p in measured if p.split == "val"] or measured
        for part in self.layout.parts:
            values = np.stack([self.metrics.uniform(_blank(part, probe)) for probe in probes])
            rows[part.name] = np.repeat(
                mean_of_defined(values, axes=(0,))[None], len(part.layers), axis=0
            )
        return rows

    def observe(self, replay: Replay, *, without: Sequence[HeadId] = ()) -> Observation:
        """Replay every probe batch; return its maps and vectors, and metrics to be finished.

        Args:
            replay: Runs one batch through the model.
            without: Heads that are silent meanwhile; on a path where they can be, see
                :func:`attn_monitor.monitor.muted.slow_path`.

        Raises:
            ConfigurationError: Not all of them could be silenced.
        """
        seen = nothing_seen(self.layout, metrics=self.metrics, statistics=len(OUTPUT_SPECS))
        first, factors = 0, Factors()
        for number, batch in enumerate(self.layout.batches):
            sink = _Sink(
                self.layout, self.plan, seen, number, first, self.failures, factors, self.late
            )
            attention = (
                self._silenced(number, replay, sink, without)
                if without
                else self._replayed(number, replay, sink, seen)
            )
            for error in attention.errors:
                self.failures.report(error, doing="capturing attention")
            sink.say_what_is_missing()
            with self.failures.contained("reading the model's output"):
                answers = output_statistics(attention.outputs, batch.tokens, batch.rows)
                seen.outputs[first : first + len(batch.rows)] = answers[list(batch.rows)]
            with self.failures.contained("reading what tokens add to the classes"):
                # Heads are silent in one pass only.
                again = None if without else partial(replay, batch.input)
                self._read_classes(seen, batch, first, attention.outputs, again)
            first += len(batch.rows)
        return seen

    def find_classes(self, replay: Replay) -> ClassLayer | None:
        """Replay the first batch to see whether the model classifies sentences, and how."""
        batch = self.layout.batches[0]
        with self.failures.contained("looking for the model's classes"):
            ends = Ends()
            with capture(self.model, sink=forget, verify=False) as attention, ends.noted():
                replay(batch.input)
            self.classes = find_classes(self.model, attention.outputs, batch.tokens, ends)
        return None if self.classes is None else self.classes.layer

    def _replayed(
        self, number: int, replay: Replay, sink: Sink, seen: Observation
    ) -> AttentionCapture:
        """Replay a batch, looking only where its attention was the last time, if that can be.

        Where that pass goes otherwise than the last one, it is repeated, and everything watched.
        The gradients of a classifier's head are kept on the way.
        """
        batch, lesson = self.layout.batches[number], self.layout.lessons[number]
        before = len(seen.calls)
        while True:
            seen.calls.forget(before)  # those of a pass that is repeated
            if lesson.reason:
                seen.watched.append(lesson.reason)
            turn = self.classes.turn if self.classes and batch.split in MEASURED else None
            try:
                with (
                    capture(self.model, sink=sink, verify=False, lesson=lesson) as attention,
                    nullcontext() if turn is None else turn.taken(),
                ):
                    replay(batch.input)
            except Exception:
                if turn is None or self.classes is None:
                    raise
                self.classes = replace(self.classes, turn=None)  # a head that minds gradients
                continue
            if not attention.difference:
                return attention

    def _silenced(
        self, number: int, replay: Replay, sink: Sink, without: Sequence[HeadId]
    ) -> AttentionCapture:
        """Replay a batch with some heads silent."""
        turn = self.classes.turn if self.classes else None
        with (
            muted(self.model, self.layout, number, without, sink) as (attention, silence),
            nullcontext() if turn is None else turn.taken(),
        ):
            replay(self.layout.batches[number].input)
        if not silence.complete:
            names = ", ".join(f"{head.part} {head.label()}" for head in without)
            raise ConfigurationError(
                f"not all of {names} could be muted: attention is computed in pieces there, or by "
                "a kernel that returns something else than weights times values"
            )
        return attention

    def _read_classes(
        self,
        seen: Observation,
        batch: ProbeBatch,
        first: int,
        outputs: Outputs,
        again: Callable[[], object] | None,
    ) -> None:
        if self.classes is None or batch.split not in MEASURED:
            return
        answers = self.classes.answers(outputs, batch.tokens, again)
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
    number: int
    first: int
    failures: Failures
    factors: Factors
    late: dict[Key, None]
    called: set[tuple[str, int]] = field(default_factory=set)

    def say_what_is_missing(self) -> None:
        """Name the layers that did not attend this time; their maps are NaN."""
        for module, _ in sorted(self.layout.pieces[self.number].keys() - self.called):
            self.failures.report(
                f"{module or 'the model'} does not attend any more; its maps are NaN from here on",
                doing="recording attention",
            )

    def __call__(self, record: Record) -> None:
        key = record.module, record.call
        self.called.add(key)
        pieces = self.layout.pieces[self.number].get(key, ())
        if key not in self.layout.known:
            self.late[key] = None
        found = [self._as_it_is(piece, record) for piece in pieces]
        wanted = [piece for piece in found if piece is not None and self._is_wanted(piece)]
        if not wanted:
            return
        factor = self._factor(record) if self._measured else None
        look = partial(self._look, wanted, factor)
        sentences, heads = record.shape[:2]
        # Of few sentences it is as quick to make what is wanted as to copy all of them.
        most = 2 * sum(len(piece.matrices) for piece in wanted) >= sentences * heads
        if most and math.prod(record.shape) <= LARGEST_LAYER:
            self.seen.calls.add(record, look)
        else:
            look(record)

    @property
    def _measured(self) -> bool:
        return self.layout.batches[self.number].split in MEASURED

    def _is_wanted(self, piece: Piece) -> bool:
        probe = self.layout.probes[self.first + piece.probe]
        kept = self.plan.kept[probe.index]
        return probe.measured or kept.vectors or kept.form != "metrics"

    def _factor(self, record: Record) -> Tensor | None:
        """Return what sizes need of W_O, which training changes."""
        factor: Tensor | None = None
        with self.failures.contained("measuring what heads write"):
            factor = self.factors.of(record)
        return factor

    def _look(self, pieces: Sequence[Piece], factor: Tensor | None, record: Record) -> None:
        """Reduce a record to what its sentences are to show."""
        table: SizeTable | None = None
        made: Tensor | None = None
        if self._measured:
            with self.failures.contained("measuring what heads write"):
                table, made = read_sizes(record, factor)
        stack = Stack(record, made)
        for piece in pieces:
            part, probe = self.layout.part(piece.part), self.layout.probes[self.first + piece.probe]
            kept = self.plan.kept[probe.index]
            self._reduce(View(record, part, probe, piece, table, stack), kept)

    def _as_it_is(self, piece: Piece, record: Record) -> Piece | None:
        """Return what a record shows of a probe now, also where its layer lost heads."""
        before, now = piece.shape, record.shape
        if before[0] * before[1] == now[0] * now[1] and before[2:] == now[2:]:
            return piece  # the same maps, also where sentences and heads were told apart before
        where = record.module or "the model"
        same = (before[0], *before[2:]) == (now[0], *now[2:])
        changed = piece.with_heads(now[1]) if same else None
        what = (
            f"{where} had {before[1]} heads and has {now[1]}"
            if same
            else f"{where} attended over {before[2]} by {before[3]} tokens of "
            f"{before[0]} sentences, now over {now[2]} by {now[3]} of {now[0]}. {REMEDY}"
        )
        kept = "those that are left are recorded, the others are NaN from here on"
        self.failures.report(
            f"{what}; {kept if changed is not None else 'its maps are NaN from here on'}",
            doing="recording attention",
        )
        return changed

    def _reduce(self, view: View, kept: Kept) -> None:
        probe, part, layer, head = view.probe, view.part, view.piece.layer, view.piece.first_head
        if probe.measured or kept.form != "metrics":
            maps = view.maps()
            if not isinstance(maps, MapsByRows) and view.stack.undefined(maps):
                self.failures.report(
                    "attention weights are NaN; they are recorded as what they are",
                    doing="recording attention",
                    once=True,
                )
            place = self.seen.keep_maps(maps, kept, part=part, layer=layer, head=head)
            if probe.measured:
                heads = slice(head, head + maps.heads)
                table = self.seen.metrics[part.name][probe.index, layer, heads]
                self.seen.deferred.add(maps, table, sized=view.sized, kept=place)
        if kept.vectors:
            self.seen.keep_vectors(*view.vectors(), kept, part=part, layer=layer, head=head)


def _blank(part: Part, probe: Probe) -> Maps:
    query, key = probe.axes(part)
    return Maps(
        attn=np.zeros((1, len(query), len(key))),
        causal=part.causal,
        cross=part.kind == "cross" or query != key,
        special=key.special,
        key_tokens=key.text,
        documents=key.documents if query == key else (),
    )
