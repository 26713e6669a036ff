"""Whether the module calls that were noted can stand for the model's step in a replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import nn

from attn_monitor.capture import Record, capture
from attn_monitor.core.errors import ConfigurationError, NothingCapturedError
from attn_monitor.monitor.calls import ModuleCall, ModuleCalls, arguments_of
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.probes import SIDES, ProbeBatch, Side

_Calls = frozenset[tuple[str, int]]
_Run = Callable[[object], object]
REMEDY = (
    "Say how the model reads one: AttentionMonitor(replay=lambda module, batch: module(batch[0])), "
    "with what your forward takes; or train_probes=0 for none"
)


def settled(
    model: nn.Module, batches: Sequence[ProbeBatch], replay: _Run, failures: Failures
) -> tuple[ProbeBatch, ...]:
    """Return the batches with the calls that will be replayed, or without: then the step is.

    Training batches that can be replayed in neither way are left out, which is said once.

    Args:
        model: The model.
        batches: What is to be replayed.
        replay: Runs one input through the model.
        failures: Where it is said.
    """
    own, known = _own(model, batches, replay)
    val, attention = _side("val", model, batches, replay)
    if own and val and known != attention:
        failures.report(
            "validation sentences for HeadLens and signals are left out: they have other attention "
            f"calls than the probes that were given. {REMEDY}",
            doing="replaying the probes",
        )
        val = []
    val, attention = [*own, *val], known if own else attention
    train, seen = _side("train", model, batches, replay)
    if not train:
        return tuple(val)
    problem = "" if val == [] or not seen or seen == attention else "it has other attention calls"
    if problem or not seen:
        train = [replace(batch, calls=()) for batch in train]
        try:
            seen = _attention(model, replay, train[0].input)
            problem = "" if seen and (not val or seen == attention) else problem or "no attention"
        except Exception as error:  # noqa: BLE001  # whatever the step says of such a batch
            problem = f"{type(error).__name__}: {error}"
    if problem and val:
        failures.report(
            f"training sentences are left out, because validation_step cannot read a training "
            f"batch ({problem}). {REMEDY}",
            doing="replaying a training batch",
        )
        return tuple(val)
    return _in_order(batches, [*val, *train])


def _in_order(batches: Sequence[ProbeBatch], found: Sequence[ProbeBatch]) -> tuple[ProbeBatch, ...]:
    waiting = {kind: [b for b in found if _kind(b) == kind] for kind in map(_kind, found)}
    return tuple(waiting[k].pop(0) for k in map(_kind, batches) if waiting.get(k))


def _kind(batch: ProbeBatch) -> tuple[Side, bool]:
    return SIDES[batch.split], batch.own


def _own(
    model: nn.Module, batches: Sequence[ProbeBatch], replay: _Run
) -> tuple[list[ProbeBatch], _Calls]:
    """Return the probes that the user gave and where attention was seen in the first of them.

    Texts are read by the model's ``forward``: a step may want labels. Where that shows no attention
    the step has its turn.
    """
    found = [batch for batch in batches if batch.own]
    if not found:
        return [], frozenset()
    problem: Exception | None = None
    if found[0].forward:
        called = [replace(b, calls=(_forward_call(model, b.batch),)) for b in found]
        try:
            if seen := _attention(model, replay, called[0].input):
                return called, seen
        except Exception as error:  # noqa: BLE001  # then the step has its turn
            problem = error
    try:
        return found, _attention(model, replay, found[0].input)
    except Exception as error:
        if problem is None:
            raise
        raise ConfigurationError(
            f"neither forward ({problem}) nor the step ({error}) of {type(model).__name__} can "
            f"read the texts of probes=. {REMEDY.partition('; or')[0]}"
        ) from error


def _forward_call(model: nn.Module, batch: object) -> ModuleCall:
    args, kwargs = arguments_of(model, batch)
    return ModuleCall("", args, kwargs, from_batch=True)


def _side(
    side: Side, model: nn.Module, batches: Sequence[ProbeBatch], replay: _Run
) -> tuple[list[ProbeBatch], _Calls]:
    """Return a side's batches and where attention was seen in the first of them.

    The calls are dropped where they do not show all of the attention.
    """
    found = [batch for batch in batches if _kind(batch) == (side, False)]
    if not found:
        return [], frozenset()
    if all(batch.calls for batch in found) and len({_pattern(batch) for batch in found}) == 1:
        seen = _attention_of_calls(model, found[0], replay)
        if seen:
            return found, seen
    found = [replace(batch, calls=()) for batch in found]
    return found, _attention(model, replay, found[0].input) if side == "val" else frozenset()


def _pattern(batch: ProbeBatch) -> tuple[tuple[str, bool], ...]:
    return tuple((call.module, call.from_batch) for call in batch.calls)


def _attention_of_calls(model: nn.Module, batch: ProbeBatch, replay: _Run) -> _Calls:
    """Return the attention in the calls that come from the batch; none if others have some."""
    others = [replace(c, from_batch=True) for c in batch.calls if not c.from_batch]
    try:
        for call in others:
            if _attention(model, replay, ModuleCalls((call,))):
                return frozenset()
        return _attention(model, replay, batch.input)
    except Exception:  # noqa: BLE001  # then the step itself is replayed
        return frozenset()


def _attention(model: nn.Module, replay: _Run, given: object) -> _Calls:
    seen: set[tuple[str, int]] = set()

    def note(record: Record) -> None:
        seen.add((record.module, record.call))

    with capture(model, sink=note, verify=False) as attention:
        replay(given)
    if not seen and attention.errors:
        raise NothingCapturedError("; ".join(attention.errors))
    return frozenset(seen)
