"""The ledger of one capture: families report attention calls here, records leave from here."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from attn_monitor.capture.extending import attending
from attn_monitor.capture.joint_attention import Slices, is_copied_part, is_joint, joined, uncut
from attn_monitor.capture.lessons import Lessons, Looking
from attn_monitor.capture.modules import ModuleStack
from attn_monitor.capture.muting import Muting
from attn_monitor.capture.notes import taking_notes
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.origins import origin_of, set_origin
from attn_monitor.capture.paths import Buffer, beginning
from attn_monitor.capture.placed import Placed, Whole
from attn_monitor.capture.placing import in_place, sources_in_place
from attn_monitor.capture.proof import Check
from attn_monitor.capture.provenance import (
    Attended,
    Lineage,
    Scores,
    before_positions,
    kinship,
    new_number,
    set_tag,
    tag_of,
)
from attn_monitor.capture.record import Kept, Record
from attn_monitor.capture.rules import ModelWeights, WeightRule, exact_arithmetic
from attn_monitor.capture.sources import Follower
from attn_monitor.capture.stacking import Stacked
from attn_monitor.core.nouns import PartKind

Sink = Callable[[Record], None]
Observer = Callable[[OperatorCall, "Tracer"], None]


@dataclass(slots=True, kw_only=True)  # never changed; frozen ones take thrice as long to make
class Observation:
    """What a family knows about an attention call.

    Attributes:
        source: The operator that was seen.
        query: ``[sentence, head, query, d_head]``.
        key: ``[sentence, key_head, key, d_head]``.
        value: ``[sentence, key_head, key, d_value]``.
        rule: How its weights are obtained.
        output: The tensor that continues through the model; the next projection of it is W_O.
        kind: Self or cross where the family knows; else the ancestry of q and k decides.
        check: How to verify a recomputation; ``None`` where the weights are the model's own.
        output_projection: W_O where the operator contains it.
        call: The operator, where its output is linear in ``values`` and can be computed again.
        values: The operand that holds the values, as it entered the operator.
        mixed: ``[sentence, head, query, d_value]``: weights times values, a view of ``output``.
        origins: The tensors whose tags tell where queries and keys came from, where ``query`` and
            ``key`` are copies made by the family.
        unfinished: The weights are divided by their sum after the product.
    """

    source: str
    query: Tensor
    key: Tensor
    value: Tensor
    rule: WeightRule
    output: Tensor
    kind: PartKind | None = None
    check: Check | None = None
    output_projection: Tensor | None = None
    origins: tuple[Tensor, Tensor] | None = None
    call: OperatorCall | None = None
    values: Tensor | None = None
    mixed: Tensor | None = None
    unfinished: bool = False


class Tracer:
    """Turns observations into records and hands each to the sink.

    A record waits for W_O, which is met after the attention output, or for the next attention call
    of another module call. What one module call puts together before W_O is one layer.

    Attributes:
        modules: The modules that are running.
        errors: Problems inside the capture, each once.
        muting: Heads that are silent in this pass.
        lessons: Learns where attention is, or goes by what was learned.
        paused: Operators are not looked at: they run inside a kernel that reports itself.
        shaken: Returns an operator's result as it might be with other weights.
    """

    def __init__(
        self,
        model: nn.Module,
        sink: Sink,
        *,
        verify: bool,
        follower: Follower | None = None,
        lessons: Lessons | None = None,
    ) -> None:
        self.modules = ModuleStack(model, follower, lessons)
        self.lessons = lessons
        self.follower = follower
        self.errors: list[str] = []
        self._sink = sink
        self._verify = verify
        self._calls: Counter[str] = Counter()
        self._numbers = itertools.count()
        self._waiting: dict[int, Record] = {}
        self._origins: dict[int, tuple[Tensor, Tensor]] = {}
        self._merged: Whole | None = None
        self._slices: Slices | None = None
        self._ends: dict[frozenset[int], Whole] = {}
        self._invocation = 0
        self.paused = False
        self.muting: Muting | None = None
        self.shaken: Callable[[OperatorCall], object] | None = None

    @property
    def seen(self) -> frozenset[str]:
        """Paths of the modules whose attention was captured."""
        return frozenset(self._calls)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Follow the model's modules; hand over the last record at the end."""
        with taking_notes(), self.modules.following():
            try:
                yield
            finally:
                self.flush()

    def attention(self, seen: Observation) -> None:
        """Record one attention call."""
        invocation = self.modules.invocation()
        if invocation != self._invocation or self._all_ended():
            self.flush()
        self._invocation = invocation
        name, module = self.modules.innermost()
        origins = seen.origins or (seen.query, seen.key)
        heads = seen.query.shape[1]
        proven = isinstance(seen.rule, ModelWeights) and not seen.unfinished
        record = Record(
            module=name,
            module_type=type(module).__name__,
            call=0,
            beside=len(self._waiting),
            source=seen.source,
            kind=self._kind(name, module, seen),
            heads=heads,
            windows=self.modules.windows_of(seen.query.shape[0]),
            query=seen.query.detach(),
            key=seen.key.detach(),
            value=seen.value.detach(),
            rule=seen.rule,
            evidence="model" if proven else "unverified",
            error=0.0 if proven else None,
            output_projection=seen.output_projection,
            mixed=None if seen.mixed is None else Kept.of(seen.mixed),
            query_projected=before_positions(origins[0]),
            key_projected=before_positions(origins[1], lambda: _key_repeats(module, heads)),
        )
        if self.follower is not None:
            self._name_sources(record, seen, origins, self.follower)
        if self._verify and seen.check is not None:
            with exact_arithmetic(seen.query.device.type), self.pausing():
                record.error, agrees = seen.check(record)
            record.evidence = "verified" if agrees else "unverified"
        if self.muting is not None:
            with self.pausing():
                self.muting.attended(name, seen.mixed, seen.output)
        self.modules.note_attention()
        if self.lessons is not None:
            self.lessons.attention(record)
        number = next(self._numbers)
        self._waiting[number], self._origins[number] = record, origins
        if seen.output_projection is None:
            path = None if isinstance(self.lessons, Looking) else self._path(seen, number)
            set_tag(seen.output, Attended(frozenset({number}), path))
        else:
            self.flush()

    def has_seen(self, scores: Scores) -> bool:
        """Return whether the weights of a product are those of an attention call that waits."""
        pairs = (pair for number, pair in self._origins.items() if number in self._waiting)
        return any(tensor is scores.left for pair in pairs for tensor in pair)

    def _name_sources(
        self,
        record: Record,
        seen: Observation,
        origins: tuple[Tensor, Tensor],
        follower: Follower,
    ) -> None:
        try:
            with torch.no_grad():
                record.sources = follower.attended(
                    seen.query, seen.key, origins, seen.output, scope=self.modules.scope()
                )
        except Exception as error:  # noqa: BLE001  # whose words they are is then not known
            self.problem(error, where=f"following the batch to {record.module}")
        if record.sources is not None:
            akin = lambda: (seen.kind or kinship(*origins)) == "self"  # noqa: E731
            record.kind = record.sources.settled(record.kind, akin)

    def attended(self, path: Buffer, output: Tensor) -> None:
        """Note that attention outputs were put together."""
        fresh = not is_copied_part(path, self._merged)  # else a slice is copied to be projected
        several = len(path.calls) > 1 or path.composed
        if fresh and several and path.calls <= self._waiting.keys():
            self._merged = _whole(path, output)

    def changed(self, tag: Attended, output: Tensor) -> None:
        """Note that something not linear is done with an attention output."""
        if tag.path is not None and tag.calls <= self._waiting.keys():
            self._ends[tag.calls] = _whole(tag.path, output)

    def projected(self, tag: Attended, source: Tensor, weight: Tensor) -> None:
        """Note that an attention output met its projection: that completes its records."""
        calls = tag.calls.intersection(self._waiting)
        if not calls:
            return
        if self.lessons is not None:
            self.lessons.projected(calls)
        whole = self._ends.get(tag.calls)
        if tag.path is not None:
            part = whole = _whole(tag.path, source)
            common = uncut(source, tag.path, self._merged)
            if common is not None and calls == common.calls:
                slices = self._slices or Slices(
                    whole=common, first=(part, source, weight), inputs=self.modules.shapes()
                )
                slices.elements += source.numel()
                self._slices = None if slices.complete else slices
                if slices.complete:
                    self._hand_over(self._completed(calls, slices.whole, slices.inputs))
                return
        self._complete(calls, whole, source, weight, self.modules.shapes())

    def _complete(
        self,
        calls: frozenset[int],
        whole: Whole | None,
        source: Tensor,
        weight: Tensor,
        inputs: list[tuple[int, ...]],
    ) -> None:
        records = self._completed(calls, whole, inputs)
        for record in records:
            # Heads of several calls may be mixed.
            alone = len(calls) == 1 or isinstance(record.rule, (Placed, Stacked))
            if alone and weight.shape[-2] == record.heads * record.value.shape[-1]:
                record.output_projection = weight.detach()[(0,) * (weight.dim() - 2)]
                record.projected = Kept.of(source)
        self._hand_over(records)

    def _complete_slices(self, slices: Slices) -> None:
        """Complete what was projected in part only: joint attention as a whole, else that part."""
        calls = slices.whole.calls
        if not calls <= self._waiting.keys():
            return
        waiting = dict(self._waiting)
        records = self._completed(calls, slices.whole, slices.inputs, quietly=True)
        if is_joint(records):
            self._hand_over(records)
            return
        self._waiting = waiting
        self._complete(calls, *slices.first, slices.inputs)

    def flush(self) -> None:
        """Hand the waiting records to the sink; what goes wrong there is reported, not raised."""
        if not (self._waiting or self._slices or self._merged or self._ends):
            return
        slices, self._slices = self._slices, None
        if slices is not None:
            self._complete_slices(slices)
        merged = self._merged
        if merged is not None and merged.calls <= self._waiting.keys():
            self._hand_over(self._completed(merged.calls, merged, self.modules.shapes()))
        records, self._waiting = list(self._waiting.values()), {}
        self._hand_over(records)
        self._merged = None
        self._ends.clear()
        self._origins.clear()

    def _completed(
        self,
        calls: frozenset[int],
        whole: Whole | None,
        inputs: list[tuple[int, ...]],
        *,
        quietly: bool = False,
    ) -> list[Record]:
        """Return the records of these calls, as one layer where the model put them together."""
        records = [self._waiting.pop(number) for number in sorted(calls)]
        for number in calls:
            self._origins.pop(number, None)
        if whole is None or whole.calls != calls:
            return records
        try:
            placed = joined(in_place(records, whole, inputs), whole)
            for record in placed:
                if self.follower is not None and all(record is not piece for piece in records):
                    record.sources = sources_in_place(record, whole, records)
            return placed
        except Exception as error:  # noqa: BLE001  # a monitor must not break the forward pass
            if not quietly:
                self.problem(error, where=f"placing the attention of {records[0].module}")
            return records

    def _hand_over(self, records: list[Record]) -> None:
        for record in records:
            record.call = self._calls[record.module]
            self._calls[record.module] += 1
            if not (self.lessons is None or self.lessons.knows(record)):
                continue
            paused, self.paused = self.paused, True
            try:
                with torch.no_grad():
                    self._sink(record)
            except Exception as error:  # noqa: BLE001  # a monitor must not break the forward pass
                self.problem(error, where=f"the sink, at {record.module or 'the model'}")
            finally:
                self.paused = paused

    def _all_ended(self) -> bool:
        """Return whether nothing that is waiting can be put together with what comes now."""
        return all(any(number in calls for calls in self._ends) for number in self._waiting)

    @staticmethod
    def _path(seen: Observation, number: int) -> Buffer | None:
        """Return the memory of an attention output, where it can be followed."""
        values = seen.values
        if values is None or seen.call is None:
            return None
        tag = tag_of(values)
        path = tag.path if isinstance(tag, Lineage) else None
        if path is None or path.dtype != values.dtype:
            path = beginning(values)
            if path is not None and not isinstance(tag, Attended):
                lineage = tag if isinstance(tag, Lineage) else Lineage(number=new_number())
                set_tag(values, replace(lineage, path=path))
        if path is None:
            return None
        made = attending(seen.call, values, path, seen.output, made=number)
        if made is not None:
            made.composed = seen.unfinished
        return made

    @contextmanager
    def pausing(self) -> Iterator[bool]:
        """Look at no operator until the block ends; yields whether it is the outermost block."""
        outermost, self.paused = not self.paused, True
        try:
            yield outermost
        finally:
            self.paused = not outermost

    def guarded(self, observer: Observer, call: OperatorCall) -> None:
        """Show a finished call to a family; what goes wrong there is reported, not raised."""
        try:
            observer(call, self)
        except Exception as error:  # noqa: BLE001  # a monitor must not break the forward pass
            self.problem(error, where=call.name)

    def problem(self, error: Exception, *, where: str) -> None:
        """Report something that went wrong inside the capture, once."""
        message = f"{where}: {type(error).__name__}: {error}"
        if message not in self.errors:
            self.errors.append(message)

    def _kind(self, name: str, module: nn.Module, seen: Observation) -> PartKind:
        kind = seen.kind or kinship(*(seen.origins or (seen.query, seen.key)))
        if kind is not None:
            return kind
        longer_query = seen.query.shape[2] > seen.key.shape[2]
        return "cross" if longer_query or self.modules.says_cross(name, module) else "self"


def _key_repeats(module: nn.Module, heads: int) -> int:
    declared = getattr(module, "num_key_value_groups", 1)
    return declared if isinstance(declared, int) and heads % declared == 0 else 1


def _whole(path: Buffer, output: Tensor) -> Whole:
    """Return a common output, with what is known of whose tokens are in it."""
    kept = output.detach()
    origin = origin_of(output)
    if origin is not None and kept is not output:
        set_origin(kept, origin)
    return Whole(path, kept)
