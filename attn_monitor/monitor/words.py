"""Which token stands at each place of an attention axis, and how that is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from attn_monitor.capture.origins import coordinate
from attn_monitor.capture.sources import UNSURE
from attn_monitor.core.nouns import Proof, Tokens
from attn_monitor.monitor.batches import Ids, Stream, named_tensors, stream_of
from attn_monitor.monitor.masks import is_binary
from attn_monitor.monitor.probes import ProbeBatch

_MATRIX = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The tokens along one axis of one sentence's maps.

    Attributes:
        places: Where the valid tokens are on the axis of the padded batch.
        ids: What stands there: an id, a string, or ``None`` where nobody knows.
        proof: How that is known; ``"position"`` where it is not.
        added: Which of them the model added to those of the batch.
        values: What the batch holds there, beside the user's names; empty without such.
        documents: Where documents begin, counted along ``places``; empty for one.
    """

    places: tuple[int, ...]
    ids: tuple[int | str | None, ...]
    proof: Proof
    added: frozenset[int] = frozenset()
    values: tuple[str, ...] = ()
    documents: tuple[int, ...] = ()


@dataclass(slots=True)
class Reader:
    """Reads the words of one batch.

    Attributes:
        batch: The batch.
        seeds: The tensors that codes name, with what they are called.
        pad_id: The tokenizer's padding id.
    """

    batch: ProbeBatch
    seeds: Sequence[tuple[str, Tensor]]
    pad_id: int | None
    _streams: dict[int, Stream | None] = field(default_factory=dict)

    def axis(self, code: Tensor, described: Sequence[tuple[Stream, int]], row: int | None) -> Axis:
        """Return the tokens along an axis.

        Args:
            code: One code per token of the axis.
            described: What the user said stands along it, the likeliest first, each with the
                sentence to take if the codes do not say which one it is.
            row: Which sentence of the batch it is, where the codes say so.
        """
        spoken = [(stream, other) for stream, other in described if stream.said]
        for stream, other in spoken:
            if any(self._is_about(stream, number) for number in self._numbers(code)):
                break
            if stream.width == len(code):
                at = other if row is None or row >= len(stream.ids) else row
                start, ids = stream.starts[at], stream.ids[at]
                return Axis(
                    places=tuple(range(start, start + len(ids))), ids=ids, proof="described"
                )
        else:
            if spoken:
                return _numbered(len(code))
        return self._seen(code)

    def _seen(self, code: Tensor) -> Axis:
        fields = (coordinate(code, which).tolist() for which in (3, 0, 1))
        places: list[int] = []
        ids: list[int | str | None] = []
        for at, (seed, first, second) in enumerate(zip(*fields, strict=True)):
            stream = self._stream(seed) if seed > 0 and min(first, second) >= 0 else None
            if stream is None:
                places.append(at)
                ids.append(None)
                continue
            place = second - stream.starts[first]
            if 0 <= place < len(stream.ids[first]):
                places.append(at)
                token = stream.ids[first][place]
                ids.append(None if token == UNSURE else token)
        if not places:
            return _numbered(len(code))
        known = any(token is not None for token in ids)
        codes = code.tolist()
        added = frozenset(i for i, at in enumerate(places) if codes[at] == 0)
        return Axis(
            places=tuple(places),
            ids=tuple(ids),
            proof="seen" if known else "position",
            added=added if len(added) < len(places) else frozenset(),
        )

    def _numbers(self, code: Tensor) -> Iterable[int]:
        return [number for number in coordinate(code, 3).unique().tolist() if number > 0]

    def _is_about(self, stream: Stream, number: int) -> bool:
        return self._stream(number) is stream

    def _stream(self, number: int) -> Stream | None:
        """Return the sentences that a tensor holds; ``None`` if they are no ids."""
        if number not in self._streams:
            self._streams[number] = self._find(*self.seeds[number - 1])
        return self._streams[number]

    def _find(self, name: str, tensor: Tensor) -> Stream | None:
        if tensor.dim() != _MATRIX or tensor.is_floating_point() or is_binary(tensor):
            return None
        ids = tensor.cpu()
        tokens = self.batch.tokens
        for stream in (tokens.source, tokens.target):
            if stream is not None and stream.tensor is not None:
                known = stream.tensor.cpu()
                if known.shape == ids.shape and torch.equal(known, ids):
                    return stream
        inside = [where for where, found in named_tensors(self.batch.batch) if found is tensor]
        return stream_of(self.batch.batch, inside[0] if inside else name, ids, pad_id=self.pad_id)


def ranked(batch: ProbeBatch) -> list[tuple[str, Tensor]]:
    """Return the tensors of a batch, the likeliest to hold words first."""
    streams = (batch.tokens.source, batch.tokens.target)
    described = [stream.tensor for stream in streams if stream is not None]

    def rank(found: tuple[str, Tensor]) -> int:
        _, tensor = found
        for at, known in enumerate(described):
            if known is tensor:
                return at
        if tensor.is_floating_point():
            return 3
        return 4 if is_binary(tensor) else 2

    return sorted(named_tensors(batch.batch), key=rank)


def _numbered(length: int) -> Axis:
    return Axis(places=tuple(range(length)), ids=(None,) * length, proof="position")


def spelled(axis: Axis, known: Tokens) -> Tokens:
    """Return the tokens of an axis: numbers where nobody knows, which are no words.

    Args:
        axis: The axis.
        known: The strings of the ids that are known, in their order.
    """
    words = iter(known.text)
    text = tuple(
        f"#{place}" if token is None else next(words)
        for place, token in zip(axis.places, axis.ids, strict=True)
    )
    at = [i for i, token in enumerate(axis.ids) if token is not None]
    special = {at[i] for i in known.special} | axis.added
    return Tokens(
        text=text, special=tuple(sorted(special)), values=axis.values, documents=axis.documents
    )


def ids_of(axis: Axis) -> Ids:
    """Return the ids that are known along an axis."""
    return tuple(token for token in axis.ids if token is not None)
