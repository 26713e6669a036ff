"""The tokens along both axes of every part's maps, for the probes of one batch."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from attn_monitor.capture import Call
from attn_monitor.core.nouns import PartAxes, Proof, Tokens
from attn_monitor.monitor.batches import BatchTokens, Stream
from attn_monitor.monitor.documents import Reach, documents_in
from attn_monitor.monitor.entries import Entry, agree, by_row
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.labels import Labels
from attn_monitor.monitor.naming import named_by
from attn_monitor.monitor.probe_pieces import Piece
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.texts import Key, Text
from attn_monitor.monitor.tokens import TokenSource, padding_id, positions, spell
from attn_monitor.monitor.words import Axis, Reader, ids_of, spelled

Side = Literal["query", "key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """What is known of the probes of one batch.

    Attributes:
        batch: The batch; its tokens lie as the attention reads them.
        pieces: What each attention call shows.
        sources: The tokens of every probe.
        targets: The tokens of a decoder, where there is one.
        own: The tokens of parts that read something else.
        rows: Part -> how it is known which map is which sentence's.
        words: Part -> how it is known which token stands where.
        filler: Tokens for sentences that are no probes.
        titles: What the user calls each probe.
    """

    batch: ProbeBatch
    pieces: Mapping[Key, tuple[Piece, ...]]
    sources: tuple[Tokens, ...]
    targets: tuple[Tokens | None, ...]
    own: tuple[tuple[PartAxes, ...], ...]
    rows: Mapping[str, Proof]
    words: Mapping[str, Proof]
    filler: Tokens
    titles: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class _Named:
    """Both axes of one probe in one part, and the sentence that they were read off."""

    query: Axis
    key: Axis
    entry: Entry | None


def name_axes(
    texts: Sequence[Text],
    batch: ProbeBatch,
    calls: Sequence[Call],
    seeds: Sequence[tuple[str, Tensor]],
    *,
    tokens: TokenSource,
    labels: Labels | None = None,
    failures: Failures,
    reaches: Mapping[Key, Reach | None] | None = None,
    loose: Container[Key] = (),
) -> Axes:
    """Return which tokens lie along the axes of every part, for each probe of a batch.

    Args:
        texts: The parts.
        batch: The batch.
        calls: Its attention calls.
        seeds: The tensors that the calls' codes name.
        tokens: Turns ids into strings.
        labels: What the user calls things.
        failures: Told what could not be named.
        reaches: How far the queries of the calls reach.
        loose: Calls of which it was said already that nobody can know their words.
    """
    said = labels or Labels(failures=failures)
    namer = _Namer(texts, batch, calls, seeds, tokens=tokens, labels=said, failures=failures)
    namer.reaches = reaches or {}
    return namer.axes(loose)


class _Namer:
    def __init__(
        self,
        texts: Sequence[Text],
        batch: ProbeBatch,
        calls: Sequence[Call],
        seeds: Sequence[tuple[str, Tensor]],
        *,
        tokens: TokenSource,
        labels: Labels,
        failures: Failures,
    ) -> None:
        self.labels, self.said = labels, named_by(labels, batch.batch, seeds)
        self.texts, self.tokens, self.failures = texts, tokens, failures
        self.reader = Reader(batch=batch, seeds=seeds, pad_id=padding_id(tokens))
        self.calls = {call.key: call for call in calls}
        self.reaches: Mapping[Key, Reach | None] = {}
        self.crossed = any(text.part.kind == "cross" for text in texts)
        names = [name for name, _ in seeds]
        self.found: dict[tuple[str, Key], dict[int, Entry]] = {}
        self.rows: dict[str, Proof] = {text.part.name: "seen" for text in texts}
        for text in texts:
            for key in (key for key in text.calls if key in self.calls):
                every = text.entries(self.calls[key], names)
                entries, proof = by_row(every)
                self._say_several(text, len(every) / max(len(entries), 1), batch)
                self.found[text.part.name, key] = entries
                if proof != "seen" and self.rows[text.part.name] != "position":
                    self.rows[text.part.name] = proof
        self.batch = replace(batch, rows=self._shown(batch.rows))

    def axes(self, loose: Container[Key]) -> Axes:
        """Name everything."""
        pieces: dict[Key, list[Piece]] = {}
        named = {text.part.name: self._named(text, pieces) for text in self.texts}
        source, target = self._streams()
        sources = self._spelled(named[source.part.name], "key")
        targets: tuple[Tokens | None, ...] = (None,) * len(sources)
        if target is not None:
            targets = self._spelled(named[target.part.name], "query")
        own: list[tuple[PartAxes, ...]] = [()] * len(sources)
        for text in self.texts:
            queries = self._spelled(named[text.part.name], "query")
            keys = self._spelled(named[text.part.name], "key")
            for at, (query, key) in enumerate(zip(queries, keys, strict=True)):
                asking = (targets[at] or sources[at]) if self._asks_target(text) else sources[at]
                asked = sources[at] if text.part.kind == "cross" else asking
                if (query, key) != (asking, asked):
                    axes = PartAxes(part=text.part.name, query=query, key=key)
                    own[at] = (*own[at], axes)
        words = {text.part.name: _words(named[text.part.name]) for text in self.texts}
        self._say(words, loose)
        self.said.say([text.part.name for text in self.texts])
        return Axes(
            batch=self._lying(named, source, target),
            pieces={key: tuple(found) for key, found in pieces.items()},
            sources=sources,
            targets=targets,
            own=tuple(own),
            rows=self.rows,
            words=words,
            filler=sources[0] if sources else positions(1),
            titles=self.labels.titled(self.batch.batch, self.batch.rows),
        )

    def _shown(self, rows: tuple[int, ...]) -> tuple[int, ...]:
        """Return the sentences that every part has maps of, or else the first part."""
        first = [self._first(text) for text in self.texts]
        everywhere = tuple(row for row in rows if all(row in found for found in first))
        return everywhere or tuple(row for row in rows if row in first[0])

    def _first(self, text: Text) -> dict[int, Entry]:
        """Return the sentences of a part's first layer."""
        firsts = [self.found.get((text.part.name, layers[0][0]), {}) for layers in text.passes]
        return {row: entry for entries in firsts[::-1] for row, entry in entries.items()}

    def _asks_target(self, text: Text) -> bool:
        return self.crossed and (text.part.kind == "cross" or text.part.name == "decoder")

    def _streams(self) -> tuple[Text, Text | None]:
        """Return the parts that say what source and target are."""
        if not self.crossed:
            return self.texts[0], None
        cross = next(text for text in self.texts if text.part.kind == "cross")
        encoder = next((text for text in self.texts if text.part.name == "encoder"), cross)
        decoder = next((text for text in self.texts if text.part.name == "decoder"), cross)
        return encoder, decoder

    def _named(self, text: Text, pieces: dict[Key, list[Piece]]) -> list[_Named]:
        name, found = text.part.name, self._first(text)
        named = [self._name(text, text.first, found.get(row), row) for row in self.batch.rows]
        placed: list[tuple[Key, int, int, int, Entry]] = []
        for layer, keys in text.layers:
            head = 0
            for key in keys:
                entries = self.found.get((name, key), {})
                for offset, row in enumerate(self.batch.rows):
                    entry = entries.get(row)
                    if entry is None or found.get(row) is None:
                        continue
                    if not agree(found[row], entry):
                        named[offset] = self._under_names(_numbered(entry), text, entry, row)
                    placed.append((key, layer, head, offset, entry))
                head += max((len(entry.matrices) for entry in entries.values()), default=0)
        for key, layer, head, offset, entry in placed:
            call = self.calls[key]
            pieces.setdefault(key, []).append(
                Piece(
                    part=name,
                    layer=layer,
                    first_head=head,
                    probe=offset,
                    matrices=entry.matrices,
                    queries=named[offset].query.places,
                    keys=named[offset].key.places,
                    shape=(call.sentences, call.heads, call.queries, call.keys),
                )
            )
        return [
            self._parted(text, both, [(p[0], p[4]) for p in placed if p[3] == offset])
            for offset, both in enumerate(named)
        ]

    def _parted(self, text: Text, named: _Named, layers: Sequence[tuple[Key, Entry]]) -> _Named:
        """Return both axes with where documents begin, if the sentence is a row of several."""
        query, key = named.query, named.key
        if text.part.kind != "self" or query.places != key.places or not layers:
            return named
        reaches = [(self.reaches.get(call), entry.matrices) for call, entry in layers]
        begins = documents_in(reaches, query.places)
        return replace(
            named, query=replace(query, documents=begins), key=replace(key, documents=begins)
        )

    def _name(self, text: Text, key: Key, entry: Entry | None, row: int) -> _Named:
        if entry is None:
            call = self.calls[key]
            nothing = [torch.zeros(n, dtype=torch.int64) for n in (call.queries, call.keys)]
            query, asked = (self.reader.axis(code, [], None) for code in nothing)
            return _Named(query, asked, None)
        tokens = self.batch.tokens
        both = [s for s in (tokens.source, tokens.target) if s is not None]
        asking = both[::-1] if self._asks_target(text) else both
        asked_first = both if text.part.kind == "cross" else asking
        named = _Named(
            self.reader.axis(entry.query, [(s, row) for s in asking], entry.row),
            self.reader.axis(entry.key, [(s, row) for s in asked_first], entry.row),
            entry,
        )
        if entry.tried:
            query, asked = (
                replace(axis, proof="tried") if axis.proof == "seen" else axis
                for axis in (named.query, named.key)
            )
            named = _Named(query, asked, entry)
        return self._under_names(named, text, entry, row)

    def _under_names(self, named: _Named, text: Text, entry: Entry, row: int) -> _Named:
        """Return both axes under the names that the user gave, where they fit."""
        query, key = (
            self.said.on(axis, code, text=(text.part.name, text.base), side=side, row=row)
            for axis, code, side in (
                (named.query, entry.query, "query"),
                (named.key, entry.key, "key"),
            )
        )
        return _Named(query, key, entry)

    def _spelled(self, named: Sequence[_Named], side: Side) -> tuple[Tokens, ...]:
        axes = [both.query if side == "query" else both.key for both in named]
        return tuple(spelled(axis, self._spell(axis)) for axis in axes)

    def _spell(self, axis: Axis) -> Tokens:
        ids = ids_of(axis)
        try:
            return spell(ids, self.tokens)
        except Exception as error:  # noqa: BLE001  # a user's callable may raise anything
            self.failures.report(
                f"{type(error).__name__}: {error}", doing="turning ids into tokens", once=True
            )
            return positions(len(ids))

    def _say(self, words: Mapping[str, Proof], loose: Container[Key]) -> None:
        """Say once for each part whose words somebody knows that they could not be placed."""
        streams = [s for s in (self.batch.tokens.source, self.batch.tokens.target) if s]
        if not all(stream.named for stream in streams):
            return
        for text in self.texts:
            if words[text.part.name] != "position" or text.first in loose:
                continue
            call = self.calls.get(text.first)
            lengths = " and ".join(str(stream.longest) for stream in streams)
            read = "" if call is None else f", the attention reads {call.queries} by {call.keys}"
            self.failures.report(
                f"it is not known which word stands where in the maps of {text.part.name!r}: the "
                f"sentences are {lengths} tokens long{read}. Positions are shown instead of words. "
                "If the model adds tokens (a class token, say) or cuts them, return exactly the "
                "tokens it attends over from AttentionMonitor(describe_batch=...)",
                doing="matching tokens with attention",
            )

    def _say_several(self, text: Text, maps: float, batch: ProbeBatch) -> None:
        if maps > 1 and batch.split == "val":
            self.failures.report(
                f"{text.part.name!r} has {maps:g} maps of every sentence of the batch, of windows, "
                "channels or copies of it, say: the first of them is recorded",
                doing="matching maps with sentences",
                once=True,
            )

    def _lying(
        self, named: Mapping[str, Sequence[_Named]], source: Text, target: Text | None
    ) -> ProbeBatch:
        """Return the batch, its tokens where the attention reads them."""
        tokens = self.batch.tokens
        lying = self._stream(tokens.source, named[source.part.name], source, "key")
        if target is None:
            return replace(self.batch, tokens=BatchTokens(source=lying))
        kept = tokens.target or tokens.source
        aimed = self._stream(kept, named[target.part.name], target, "query")
        return replace(self.batch, tokens=BatchTokens(source=lying, target=aimed))

    def _stream(self, stream: Stream, named: Sequence[_Named], text: Text, side: Side) -> Stream:
        call = self.calls.get(text.first)
        if call is None:
            return stream
        width = call.keys if side == "key" else call.queries
        axes = [both.key if side == "key" else both.query for both in named]
        spans = {
            row: (axis.places[0], axis.places[-1] + 1)
            for row, axis in zip(self.batch.rows, axes, strict=True)
        }
        fits = stream.named and stream.width == width
        if fits and all(
            (stream.starts[row], stream.starts[row] + len(stream.ids[row])) == span
            for row, span in spans.items()
        ):
            return stream
        every = range(len(self.batch.tokens))
        spanned = [spans.get(row, (0, width)) for row in every]
        return Stream(
            ids=tuple(tuple(f"#{i}" for i in range(*span)) for span in spanned),
            starts=tuple(start for start, _ in spanned),
            width=width,
        )


def _numbered(entry: Entry) -> _Named:
    query, key = (
        Axis(places=tuple(range(n)), ids=(None,) * n, proof="position")
        for n in (len(entry.query), len(entry.key))
    )
    return _Named(query, key, entry)


def _words(named: Sequence[_Named]) -> Proof:
    proofs = {axis.proof for both in named for axis in (both.query, both.key)}
    if not proofs or "position" in proofs:
        return "position"
    return next(proof for proof in ("described", "tried", "seen") if proof in proofs)
