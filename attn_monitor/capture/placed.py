"""Weights in their true positions, read off by running the way from the values again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from attn_monitor.capture.paths import Buffer, Place, place_of, run_again
from attn_monitor.capture.proof import agreement
from attn_monitor.capture.rules import WeightRule
from attn_monitor.capture.selection import Selection

_KEPT_ELEMENTS: Final = 1 << 24  # 64 MB: larger maps are made again for every selection
_HEADS: Final = 4


@dataclass(frozen=True, slots=True)
class Whole:
    """The output that attention calls were put together in.

    Attributes:
        path: The memory it lies in.
        output: What it was.
    """

    path: Buffer
    output: Tensor

    @property
    def calls(self) -> frozenset[int]:
        """Numbers of the attention calls in it."""
        return self.path.calls

    @property
    def place(self) -> Place:
        """Where it lies."""
        return place_of(self.output, self.path)


@dataclass(frozen=True, slots=True)
class Rows:
    """How the rows of a matrix are sentences and tokens: one after the other, or interleaved."""

    sentences: int
    tokens: int
    interleaved: bool

    def sentence(self, rows: int) -> Tensor:
        """Return whose row each is; several rows in turn may stand for heads."""
        numbers = torch.arange(rows)
        return numbers % self.sentences if self.interleaved else numbers * self.sentences // rows

    def token(self, rows: int) -> Tensor:
        """Return which token of its sentence each row is."""
        numbers = torch.arange(rows)
        return numbers // self.sentences if self.interleaved else numbers % self.tokens

    def apart(self, matrix: Tensor) -> Tensor:
        """Return ``[sentence, token, ...]`` of ``[row, ...]``."""
        if self.interleaved:
            return matrix.reshape(self.tokens, self.sentences, -1).transpose(0, 1)
        return matrix.reshape(self.sentences, self.tokens, -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed(WeightRule):
    """Weights in their true positions, read off by running the way from the values again.

    Attributes:
        place: The output.
        sources: The values, whose tokens are the keys; several projections of the same tokens.
        width: Channels per head.
        rows: How the output's rows are sentences and queries.
        columns: How the source's rows are sentences and keys.
    """

    place: Place
    sources: tuple[Buffer, ...]
    width: int
    rows: Rows
    columns: Rows
    _kept: list[Tensor] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Sentences, heads, queries, keys."""
        heads = matrix_of(self.place, self.width).shape[-1] // self.width
        return self.rows.sentences, heads, self.rows.tokens, self.columns.tokens

    def weights(self, selection: Selection) -> Tensor:
        """Return the selected block; all of it is computed once where it is small enough."""
        if math.prod(self.shape) > _KEPT_ELEMENTS:
            return torch.cat([selection.of_queries(part) for part in self._parts()], dim=-1)
        if not self._kept:
            self._kept.append(torch.cat(list(self._parts()), dim=-1))
        return selection.of_queries(self._kept[0])

    def logit_max(self) -> Tensor | None:
        """Return ``None``: the scores were cut in pieces."""
        return None

    def _parts(self) -> Iterator[Tensor]:
        """Yield ``[sentence, head, query, key]`` for as many keys at a time as channels."""
        without = self.without()
        for first in range(0, self.columns.tokens, self.width):
            keys = min(self.width, self.columns.tokens - first)
            arrived = self.arriving(lambda token, channel: token == channel + first)  # noqa: B023
            yield (arrived - without)[..., :keys]

    def without(self) -> Tensor:
        """Return what arrives where every value is 0."""
        return self.arriving(lambda token, _channel: torch.zeros_like(token))

    def arriving(self, value: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return what arrives at each query, ``[sentence, head, query, d]``.

        Args:
            value: Returns the values of tokens and channels, both ``[row, channel]``.
        """
        values = {}
        for source in self.sources:
            shape = values_of(source).shape
            count = math.prod(shape[:-1])
            token = self.columns.token(count)[:, None].expand(count, shape[-1])
            channel = (torch.arange(shape[-1]) % self.width)[None].expand(count, shape[-1])
            values[source] = value(token, channel).to(source.device, source.dtype).reshape(shape)
        output = matrix_of(self.place, self.width, run_again(self.place, values))
        rows = self.rows.apart(output.float())
        return rows.reshape(*rows.shape[:2], -1, self.width).transpose(1, 2)

    def prove(self) -> None:
        """Raise unless weights times values of the first keys are what arrives for these values.

        Raises:
            ValueError: Heads and channels are laid out in another way.
        """
        keys = min(self.width, self.columns.tokens)
        drawn = torch.randint(1, 9, (keys, self.width), generator=torch.Generator().manual_seed(0))

        def some(token: Tensor, channel: Tensor) -> Tensor:
            return torch.where(token < keys, drawn[token.clamp(max=keys - 1), channel], 0)

        without = self.without()
        weights = next(self._parts())[..., :keys]
        expected = weights @ drawn.to(weights.device, weights.dtype)
        found = self.arriving(some) - without
        if self.place.buffer is not None:
            found = found.to(self.place.buffer.coarsest())
        if not agreement(expected, found)[1]:
            raise ValueError("its heads and channels could not be told apart")


def values_of(source: Buffer) -> Tensor:
    """Return the values that a way begins with."""
    if source.source is None:
        raise ValueError("values that do not begin here")
    return source.source


def matrix_of(place: Place, width: int, values: Tensor | None = None) -> Tensor:
    """Return an output as ``[row, head * d]``; without values only its shape counts."""
    output = torch.empty(place.shape, device="meta") if values is None else values
    if output.dim() == _HEADS and output.shape[-1] == width:
        output = output.transpose(1, 2).flatten(2)
    return output.reshape(-1, output.shape[-1])
