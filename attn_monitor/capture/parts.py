"""Sorting attention calls into streams: encoder, decoder, cross, or named by their module path."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from attn_monitor.capture.record import Record
from attn_monitor.capture.sources import Sources
from attn_monitor.core.nouns import Evidence, Layer, Part, PartKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What :func:`arrange` needs to know about one attention call; it holds no tensors.

    Attributes:
        module: Path of the calling module.
        call: How many attention calls this module made before.
        kind: ``"self"`` or ``"cross"``.
        causal: No query sees a later key.
        heads: Number of heads.
        queries: Number of query tokens.
        keys: Number of key tokens.
        windows: Windows per sentence, 1 for none.
        evidence: How its weights were obtained.
        error: Largest difference found when they were checked.
        sentences: Sentences (times windows) in the batch.
        tells: Whether its weights say anything about ``causal``.
        beside: See :class:`attn_monitor.capture.record.Record`.
        sources: Whose tokens it is about; ``None`` where that is not known.
    """

    module: str
    call: int
    kind: PartKind
    causal: bool
    heads: int
    queries: int
    keys: int
    windows: int = 1
    evidence: Evidence = "unverified"
    error: float | None = None
    sentences: int = 1
    tells: bool = True
    beside: int = 0
    sources: Sources | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, record: Record) -> Call:
        """Return the facts of a record without its tensors."""
        return cls(
            module=record.module,
            call=record.call,
            kind=record.kind,
            causal=record.causal,
            heads=record.heads,
            queries=record.shape[2],
            keys=record.shape[3],
            windows=record.windows,
            evidence=record.evidence,
            error=record.error,
            sentences=record.shape[0],
            tells=record.order is not None,
            beside=record.beside,
            sources=record.sources,
        )

    @property
    def key(self) -> tuple[str, int]:
        """What identifies the call within one forward pass."""
        return self.module, self.call


Places = dict[tuple[str, int], tuple[str, int]]


def arrange(calls: Sequence[Call]) -> tuple[Places, tuple[Part, ...]]:
    """Return where each call belongs, and the parts, after one whole forward pass.

    Args:
        calls: Every attention call of the pass, in execution order.

    Returns:
        ``{(module, call): (part, layer)}`` with layers counted from 0 in execution order, and the
        parts: an encoder first, then a decoder, then cross-attention, then other streams.
    """
    streams = _streams(calls)
    repeated = {module for module, count in Counter(c.module for c in calls).items() if count > 1}
    places: Places = {}
    parts = []
    for name, members in streams.items():
        places |= {call.key: (name, layer) for layer, call in enumerate(members)}
        parts.append(
            Part(
                name=name,
                kind=members[0].kind,
                causal=_all_causal(members),
                layers=tuple(_layer(call, repeated) for call in members),
            )
        )
    return places, tuple(parts)


def _layer(call: Call, repeated: set[str]) -> Layer:
    name = call.module or "model"
    shown = f"{name}#{call.call}" if call.module in repeated and call.call else name
    return Layer(name=shown, heads=call.heads, evidence=call.evidence, error=call.error)


def _streams(calls: Sequence[Call]) -> dict[str, list[Call]]:
    cross = [call for call in calls if call.kind == "cross" and call.windows == 1]
    whole = [call for call in calls if call.kind == "self" and call.windows == 1]
    streams: dict[str, list[Call]] = {}
    if cross:
        decoder = _decoder_calls(whole, cross)
        _add(streams, "encoder", [call for call in whole if call not in decoder])
        _add(streams, "decoder", decoder)
    else:
        _add(streams, "decoder" if _all_causal(whole) else "encoder", whole)
    _add(streams, "cross", cross)
    _add(streams, None, [call for call in calls if call.windows > 1])
    return streams


def _all_causal(calls: Sequence[Call]) -> bool:
    """Return whether every call that tells is causal; one must tell."""
    told = [call.causal for call in calls if call.tells]
    return bool(told) and all(told)


def _add(streams: dict[str, list[Call]], name: str | None, calls: Iterable[Call]) -> None:
    """Add a stream, if its calls are one stack of layers with maps of one size.

    Else every stack and every size becomes a stream of its own, named by its module path; so do
    attentions that run side by side in each module call, and windows (``name=None``), which are no
    sentences whatever their size.
    """
    groups: dict[tuple[object, ...], list[Call]] = {}
    for call in calls:
        size = (call.queries, call.keys, call.windows, call.kind, call.beside)
        groups.setdefault((_stem(call.module), *size), []).append(call)
    for members in groups.values():
        chosen = name if name and len(groups) == 1 else _path(members)
        streams[_unique(chosen, streams)] = members


def _decoder_calls(whole: Sequence[Call], cross: Sequence[Call]) -> list[Call]:
    """Return the self-attention calls on the side that asks in cross-attention."""
    stems = {_stem(call.module) for call in cross}
    beside = [call for call in whole if _stem(call.module) in stems]
    if beside and len(beside) < len(whole):
        return beside
    causal = [call for call in whole if call.causal]
    if causal:
        return causal
    asking = {call.queries for call in cross}
    answering = {call.keys for call in cross}
    if asking.isdisjoint(answering):
        return [call for call in whole if call.queries in asking]
    return []


def _stem(module: str) -> str:
    """Return a module path up to its first numbered component: ``decoder.layers``."""
    components = module.split(".")
    numbered = (i for i, component in enumerate(components) if re.search(r"\d", component))
    return ".".join(components[: next(numbered, len(components) - 1)])


def _path(calls: Sequence[Call]) -> str:
    """Return the longest common module path."""
    split = [call.module.split(".") for call in calls]
    common = []
    for components in zip(*split, strict=False):
        if len(set(components)) > 1:
            break
        common.append(components[0])
    return ".".join(common) or "attention"


def _unique(name: str, taken: dict[str, list[Call]]) -> str:
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}#{number}"
    return candidate
