"""The ledger of one capture: families report attention calls here, records leave from here."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attn_monitor.capture.modules import ModuleStack
from attn_monitor.capture.notes import taking_notes
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.provenance import Attended, before_positions, kinship, set_tag
from attn_monitor.capture.record import Record
from attn_monitor.capture.rules import ModelWeights, WeightRule, exact_arithmetic
from attn_monitor.capture.verify import Check
from attn_monitor.core.nouns import PartKind

Sink = Callable[[Record], None]
Observer = Callable[[OperatorCall, "Tracer"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
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
        origins: The tensors whose tags tell where queries and keys came from, where ``query`` and
            ``key`` are copies made by the family.
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


class Tracer:
    """Turns observations into records and hands each to the sink.

    A record waits for W_O, which is met right after the attention output, or for the next
    attention call; so at most one is waiting.

    Attributes:
        modules: The modules that are running.
        errors: Problems inside the capture, each once.
        paused: Operators are not looked at: they run inside a kernel that reports itself.
    """

    def __init__(self, model: nn.Module, sink: Sink, *, verify: bool) -> None:
        self.modules = ModuleStack(model)
        self.errors: list[str] = []
        self._sink = sink
        self._verify = verify
        self._calls: Counter[str] = Counter()
        self._waiting: Record | None = None
        self.paused = False

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
        self.flush()
        name, module = self.modules.innermost()
        call = self._calls[name]
        self._calls[name] += 1
        origins = seen.origins or (seen.query, seen.key)
        heads = seen.query.shape[1]
        record = Record(
            module=name,
            module_type=type(module).__name__,
            call=call,
            source=seen.source,
            kind=self._kind(name, module, seen),
            heads=heads,
            windows=self.modules.windows_of(seen.query.shape[0]),
            query=seen.query.detach(),
            key=seen.key.detach(),
            value=seen.value.detach(),
            rule=seen.rule,
            evidence="model" if isinstance(seen.rule, ModelWeights) else "unverified",
            error=0.0 if isinstance(seen.rule, ModelWeights) else None,
            output_projection=seen.output_projection,
            query_projected=before_positions(origins[0]),
            key_projected=before_positions(origins[1], repeats=self._key_repeats(heads)),
        )
        if self._verify and seen.check is not None:
            with exact_arithmetic(seen.query.device.type):
                record.error, agrees = seen.check(record)
            record.evidence = "verified" if agrees else "unverified"
        self.modules.note_attention()
        self._waiting = record
        if seen.output_projection is None:
            set_tag(seen.output, Attended(weakref.ref(record)))
        else:
            self.flush()

    def projected(self, attended: Attended, weight: Tensor) -> None:
        """Note that an attention output met its projection: that completes the record."""
        record = attended.record()
        if record is None or record is not self._waiting:
            return
        fits = weight.shape[-2] == record.heads * record.value.shape[-1]
        if fits:
            record.output_projection = weight.detach().reshape(-1, *weight.shape[-2:])[0]
        self.flush()

    def flush(self) -> None:
        """Hand the waiting record to the sink; what goes wrong there is reported, not raised."""
        record, self._waiting = self._waiting, None
        if record is None:
            return
        try:
            with torch.no_grad():
                self._sink(record)
        except Exception as error:  # noqa: BLE001  # a monitor must not break the forward pass
            self.problem(error, where=f"the sink, at {record.module or 'the model'}")

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

    def _key_repeats(self, heads: int) -> int:
        declared = getattr(self.modules.innermost()[1], "num_key_value_groups", 1)
        return declared if isinstance(declared, int) and heads % declared == 0 else 1
