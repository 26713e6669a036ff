"""The parts of a recording: a stack of layers over one text each.

A module that a step calls several times, on an anchor and on a positive, say, reads several texts,
and so does one call over rows of both. Each text is a part with its own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch

from attn_monitor.capture import Call, arrange
from attn_monitor.core.nouns import Evidence, Layer, Part
from attn_monitor.monitor.entries import Entry, chains, entries_of, layers_of

Key = tuple[str, int]  # a module's path, and which of its calls
TextKey = tuple[str, ...]  # what the batch calls the tensors that the tokens come from
Names = Sequence[str]  # of the batch's tensors, by their number minus one
_GENERIC: Final = re.compile(r"(^|[._])(input_ids|token_ids|ids|tokens|inputs?|\[?\d+\]?)$")
_STRENGTH: Final[tuple[Evidence, ...]] = ("unverified", "verified", "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A part and where its maps come from.

    Attributes:
        part: The part.
        passes: The calls whose heads make up each layer; once more where the same layers read the
            sentences of a batch some at a time.
        key: Which tensors its tokens come from; ``None`` if its calls are about no other text.
        base: The name of the stream it belongs to: ``"encoder"``, say.
    """

    part: Part
    passes: tuple[tuple[tuple[Key, ...], ...], ...]
    key: TextKey | None
    base: str

    @property
    def first(self) -> Key:
        """The first call of all."""
        return self.passes[0][0][0]

    @property
    def layers(self) -> Iterator[tuple[int, tuple[Key, ...]]]:
        """Yield the number of each layer with the calls that make it up, of every pass."""
        return ((at, keys) for layers in self.passes for at, keys in enumerate(layers))

    @property
    def calls(self) -> Iterator[Key]:
        """Yield every call."""
        return (key for _, keys in self.layers for key in keys)

    def entries(self, call: Call, names: Names) -> list[Entry]:
        """Return the sentences of a call that are of this text."""
        found = entries_of(call)
        if self.key is None:
            return list(found)
        return [entry for entry in found if text_key(entry, names) == self.key]


def text_key(entry: Entry, names: Names) -> TextKey:
    """Return what the batch calls the tensors that a sentence's tokens come from."""
    return tuple(names[number - 1] for number in entry.text)


def texts_of(calls: Sequence[Call], names: Names) -> list[Text]:
    """Return the texts of every part, an encoder's first.

    Args:
        calls: The attention calls of the first batch, in execution order.
        names: What the batch calls its tensors.
    """
    passes: dict[int, list[Call]] = {}
    layers = layers_of(calls)
    for chain, layer in zip(chains(layers), layers, strict=True):
        passes.setdefault(chain, []).extend(layer)
    every = [_parts_of(stack) for stack in _different(passes.values())]
    joined = _some_at_a_time(every, names)
    found = [several[0] for several in joined]
    keys = [[_keys(stack, names) for _, stack in parts] for parts in found]
    labels = _labels([key for several in keys for key in max(several, key=len)])
    bases = [part.name for parts in found for part, _ in parts]
    firsts = [_clean(alike[0]) for several in keys for alike in several]
    own = list(zip(bases, firsts, strict=True))
    texts: list[Text] = []
    for alike_passes, several in zip(joined, keys, strict=True):
        most = max(map(len, several))
        mine, labels = labels[:most], labels[most:]
        alone = len(found) == most == 1
        for at, ((part, _), alike) in enumerate(zip(alike_passes[0], several, strict=True)):
            for key, label in zip(alike, mine, strict=False):
                told = len(alike) == 1 and own.count((part.name, _clean(key))) == 1
                called = _clean(key) if told and _clean(key) else label
                texts.append(
                    Text(
                        part=part if alone else replace(part, name=f"{part.name} ({called})"),
                        passes=tuple(
                            tuple(tuple(call.key for call in layer) for layer in parts[at][1])
                            for parts in alike_passes
                        ),
                        key=key if len(alike) > 1 else None,
                        base=part.name,
                    )
                )
    return texts


def _different(passes: Iterable[list[Call]]) -> list[list[Call]]:
    """Return the passes without those that ask the same of the same text once more."""
    kept: list[list[Call]] = []
    for calls in passes:
        if not any(_repeats(earlier, calls) for earlier in kept):
            kept.append(calls)
    return kept


def _repeats(earlier: Sequence[Call], later: Sequence[Call]) -> bool:
    if len(earlier) != len(later):
        return False
    return all(
        one.module == other.module
        and one.sources is not None
        and other.sources is not None
        and torch.equal(one.sources.query, other.sources.query)
        and torch.equal(one.sources.digests, other.sources.digests)
        for one, other in zip(earlier, later, strict=True)
    )


_Stack = list[tuple[Call, ...]]


def _parts_of(calls: Sequence[Call]) -> _Parts:
    """Return the parts of one pass, each with its layers' calls."""
    places, parts = arrange(calls)
    found: _Parts = []
    for part in parts:
        members = [call for call in calls if places[call.key][0] == part.name]
        shown = {call.key: layer.name for call, layer in zip(members, part.layers, strict=True)}
        stack = layers_of(members)
        layers = tuple(_layer(layer, shown) for layer in stack)
        found.append((replace(part, layers=layers), stack))
    return found


_Parts = list[tuple[Part, _Stack]]


def _some_at_a_time(passes: Sequence[_Parts], names: Names) -> list[list[_Parts]]:
    """Return the passes, together where one stack reads sentences of one text after the others."""
    groups: dict[object, tuple[list[_Parts], set[int]]] = {}
    for number, parts in enumerate(passes):
        read = _reads(parts, names)
        made = [[(c.module, c.heads) for layer in stack for c in layer] for _, stack in parts]
        same = repr((made, [part.kind for part, _ in parts], read and read[0]))
        key: object = same if read is not None else number
        group, rows = groups.setdefault(key, ([], set()))
        if read is not None and rows & read[1]:  # the same sentences once more: another text
            key = number
            group, rows = groups.setdefault(key, ([], set()))
        group.append(parts)
        rows |= set() if read is None else read[1]
    return [group for group, _ in groups.values()]


def _reads(parts: _Parts, names: Names) -> tuple[TextKey, set[int]] | None:
    """Return the text that a pass reads and which of its sentences, where both are known."""
    entries = entries_of(parts[0][1][0][0])
    rows = {entry.row for entry in entries if entry.row is not None}
    keys = {text_key(entry, names) for entry in entries}
    known = len(rows) == len(entries) and len(keys) == 1 and keys != {()}
    return (keys.pop(), rows) if known else None


def _keys(stack: _Stack, names: Names) -> list[TextKey]:
    """Return the texts whose sentences share the calls of a stack, one where there is no other."""
    rows: dict[TextKey, list[int | None]] = {}
    for entry in entries_of(stack[0][0]):
        rows.setdefault(text_key(entry, names), []).append(entry.row)
    known = () not in rows and all(None not in found for found in rows.values())
    same = len({tuple(sorted(r for r in found if r is not None)) for found in rows.values()}) == 1
    return list(rows) if known and same else list(rows)[:1]


def _labels(keys: Sequence[TextKey]) -> list[str]:
    cleaned = [_clean(key) for key in keys]
    if all(cleaned) and len(set(cleaned)) == len(cleaned):
        return cleaned
    return [f"text {number}" for number in range(1, len(keys) + 1)]


def _clean(key: TextKey) -> str:
    name = key[0] if key else ""
    while _GENERIC.search(name):
        name = _GENERIC.sub("", name)
    return name


def _layer(calls: tuple[Call, ...], shown: dict[Key, str]) -> Layer:
    """Return one layer; the heads of several calls stand side by side in it."""
    first = calls[0]
    name = shown[first.key]
    if len(calls) > 1:
        name = name.rpartition(".")[0] or name
    errors = [call.error for call in calls if call.error is not None]
    return Layer(
        name=name,
        heads=sum(len(entries_of(call)[0].matrices) for call in calls),
        evidence=min((call.evidence for call in calls), key=_STRENGTH.index),
        error=max(errors) if len(errors) == len(calls) else None,
    )
