"""How the weights of one attention call are obtained, for any part of them.

Either the model built the weights itself (:class:`ModelWeights`) or a fused kernel hid them and
they are computed again from queries and keys (:class:`Recomputed`), only where they are asked for.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from attn_monitor.capture.selection import Pick, Selection

BLOCK_ELEMENTS = 1 << 22
CACHED_ELEMENTS = 1 << 18  # a megabyte: reduced where it was made, in the processor's cache
_FEW_ROWS = 32
_TINY = 2.0**-20
_NO_WEIGHT = 104.0  # this far below the largest score a float32 softmax is exactly 0


@contextmanager
def exact_arithmetic(device_type: str) -> Iterator[None]:
    """Compute without gradients and without autocast's silent rounding to half precision."""
    with torch.no_grad(), torch.autocast(device_type, enabled=False):
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class RowScores:
    """The scores before softmax, one number per row.

    Attributes:
        largest: ``[sentence, head, query]``: the largest visible one.
        mean: ``[sentence, head, query]``: mean of those with a weight above 0.
        mixed: ``[sentence, head, query, d_value]``: weights times values, if asked for.
        weights: ``[sentence, head, query, key]``: float32, if asked for.
    """

    largest: Tensor
    mean: Tensor
    mixed: Tensor | None = None
    weights: Tensor | None = None


class WeightRule(ABC):
    """The weights of one attention call, and the largest score before their softmax."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of all weights: sentences, heads, queries, keys."""

    @abstractmethod
    def weights(self, selection: Selection) -> Tensor:
        """Return float32 weights ``[sentence, head, query, key]`` of the selection."""

    @abstractmethod
    def logit_max(self) -> Tensor | None:
        """Return the largest score before softmax, ``[sentence, head]``, where it is defined."""

    def row_scores(self) -> RowScores | None:
        """Return the scores before softmax, row by row, where they are known."""
        return None

    def with_largest(self, selection: Selection) -> tuple[Tensor, Tensor | None]:
        """Return the weights of a selection, and the largest score of its rows.

        The score is ``[sentence, head]``; ``None`` where it does not come with the weights.
        """
        return self.weights(selection), None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWeights(WeightRule):
    """The very tensor that the model multiplied with its values.

    Attributes:
        tensor: ``[sentence, head, query, key]``.
        largest_score: ``[sentence, head]`` taken when the softmax ran.
        scores: ``[sentence, head, query, key]``, what the softmax was given.
    """

    tensor: Tensor
    largest_score: Tensor | None = None
    scores: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the tensor."""
        sentences, heads, queries, keys = self.tensor.shape
        return sentences, heads, queries, keys

    def weights(self, selection: Selection) -> Tensor:
        """Return the selected block, as float32."""
        return selection.of_queries(self.tensor).float()

    def logit_max(self) -> Tensor | None:
        """Return what was seen entering the softmax."""
        return None if self.largest_score is None else self.largest_score.float()

    def row_scores(self) -> RowScores | None:
        """Return the scores of every row, if these are the ones that the weights were made of."""
        scores = self.scores
        if scores is None or scores.shape != self.tensor.shape or not scores.numel():
            return None
        last = scores[-1:, -1:, -1:].float().softmax(-1)
        if not torch.allclose(last, self.tensor[-1:, -1:, -1:].float(), atol=1e-2, equal_nan=True):
            return None
        largest = scores.new_empty(scores.shape[:3], dtype=torch.float32)
        mean = torch.empty_like(largest)
        for chosen, part in _in_cache(self.shape):
            block = scores[chosen, :, part].float()
            largest[chosen, :, part], mean[chosen, :, part] = _row_scores(block)
        return RowScores(largest=largest, mean=mean)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed(WeightRule):
    """Weights hidden inside a fused kernel, computed again from what entered it.

    Attributes:
        query: ``[sentence, head, query, d_head]`` as it entered the product.
        key: ``[sentence, key_head, key, d_head]``; fewer heads than queries in grouped attention.
        scale: What the scores are multiplied with.
    """

    query: Tensor
    key: Tensor
    scale: float

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Sentences, heads, queries, keys."""
        sentences, heads, queries = self.query.shape[:3]
        return sentences, heads, queries, self.key.shape[2]

    def weights(self, selection: Selection) -> Tensor:
        """Return the softmax of the selected scores; a row without any visible key is 0.

        A row whose scores are NaN stays NaN, also where a kernel wrote 0 for it.
        """
        picks = selection.sentences, selection.heads, selection.rows
        spans = list(filter(None, map(_span, picks, self.query.shape)))
        sizes = [len(span) for span in spans]
        with exact_arithmetic(self.query.device.type):
            if len(spans) < len(picks) or math.prod(sizes) * self.key.shape[2] <= CACHED_ELEMENTS:
                return self._softmax(self.scores(selection)).float()
            first, _, top = (span.start for span in spans)
            shape = sizes[0], sizes[1], sizes[2], self.key.shape[2]
            made, packed = self.query.new_empty(shape, dtype=torch.float32), self._packed()
            for chosen, part in _in_cache(shape, self.rows_at_once):
                block = Selection(
                    sentences=slice(first + chosen.start, first + chosen.stop),
                    heads=selection.heads,
                    rows=slice(top + part.start, top + part.stop),
                )
                rule = packed.up_to(top + part.stop)
                rule._softmax(rule.scores(block), place=made[chosen, :, part])
            return made

    @property
    def rows_at_once(self) -> int | None:
        """How many rows :meth:`up_to` is worth asking for; ``None`` for any number."""
        return None

    def up_to(self, row: int) -> Recomputed:  # noqa: ARG002  # of others than this
        """Return the rule of the rows before ``row``, without the last keys if they see none."""
        return self

    def with_largest(self, selection: Selection) -> tuple[Tensor, Tensor | None]:
        """Return both, made of the same scores."""
        rows = _span(selection.rows, self.query.shape[2])
        rule = self if rows is None else self.up_to(rows.stop)
        with exact_arithmetic(self.query.device.type):
            scores = rule.scores(selection)
            largest = scores.amax(-1)
            shape = *largest.shape, self.key.shape[2]
            made = largest.new_empty(shape, dtype=torch.float32)
            rule._softmax(scores, largest, made)
            return made, largest.amax(-1).float()

    @property
    def hides_rows(self) -> bool:
        """Whether a query may see no key at all."""
        return True

    def logit_max(self) -> Tensor:
        """Return the largest visible score per head; ``-inf`` where a head sees nothing."""
        result = self.query.new_full(self.query.shape[:2], -math.inf, dtype=torch.float32)
        packed = self._packed()
        with exact_arithmetic(self.query.device.type):
            for chosen, part in _in_cache(self.shape, self.rows_at_once):
                rule = packed.up_to(part.stop)
                top = rule.scores(Selection(sentences=chosen, rows=part)).amax(dim=(-2, -1))
                result[chosen] = torch.maximum(result[chosen], top.float())
        return result

    def row_scores(self, value: Tensor | None = None, *, keep: bool = False) -> RowScores:
        """Return the scores of every row, and what it makes of values, in one pass.

        Args:
            value: ``[sentence, key_head, key, d_value]``; ``None`` to mix nothing.
            keep: Return all weights as well, for somebody who would make them again.
        """
        sentences, heads, rows = self.query.shape[:3]
        largest = self.query.new_empty((sentences, heads, rows), dtype=torch.float32)
        mean = torch.empty_like(largest)
        mixed = None if value is None else largest.new_empty((*largest.shape, value.shape[-1]))
        kept, packed = largest.new_empty(self.shape) if keep else None, self._packed()
        with exact_arithmetic(self.query.device.type):
            for chosen, part in _in_cache(self.shape, self.rows_at_once):
                block = Selection(sentences=chosen, rows=part)
                rule = packed.up_to(part.stop)
                scores = rule.scores(block)
                top, middle = _row_scores(scores)
                largest[chosen, :, part], mean[chosen, :, part] = top, middle
                if mixed is None and kept is None:
                    continue
                place = None if kept is None else kept[chosen, :, part]
                weights = rule._softmax(scores, top, place)
                if mixed is not None and value is not None:
                    seen = value[:, :, : weights.shape[-1]]
                    values = block.of_keys(seen, heads=heads).to(weights.dtype)
                    mixed[chosen, :, part] = (weights @ values).float()
        return RowScores(largest=largest, mean=mean, mixed=mixed, weights=kept)

    def _packed(self) -> Self:
        """Return the same with queries and keys that lie head by head: no block copies them."""
        return replace(self, query=self.query.contiguous(), key=self.key.contiguous())

    def _softmax(
        self, scores: Tensor, largest: Tensor | None = None, place: Tensor | None = None
    ) -> Tensor:
        """Return weights, also in a float32 ``place``; ``largest`` is the score of each row.

        The place may be for more keys than there are scores: those that no row sees.
        """
        straight = place is not None and place.is_contiguous() and place.shape == scores.shape
        straight = straight and place is not None and scores.dtype == place.dtype
        weights = torch.softmax(scores, -1, out=place) if straight else scores.softmax(-1)
        if self.hides_rows:
            # SDPA, flex and flash all write 0 where a query sees no key; softmax says NaN.
            largest = scores.amax(-1) if largest is None else largest
            weights = weights.masked_fill_(largest[..., None] == -math.inf, 0.0)
        if place is not None and not straight:
            keys = weights.shape[-1]
            place[..., :keys] = weights
            if keys < place.shape[-1]:
                place[..., keys:] = weights[..., :1] * 0.0  # NaN stays NaN
        return weights

    def scores(self, selection: Selection) -> Tensor:
        """Return the selected scores before softmax, ``-inf`` where a key is hidden."""
        return self.adjusted(self.products(selection), selection)

    def products(self, selection: Selection) -> Tensor:
        """Return the scaled products of queries and keys, in float32 or better."""
        precise = torch.promote_types(self.query.dtype, torch.float32)
        query = selection.of_queries(self.query).to(precise)
        key = selection.of_keys(self.key, heads=self.query.shape[1]).to(precise)
        shape = *query.shape[:3], key.shape[2]
        # Scaled by the product itself: another pass would take as long as the product.
        made = torch.baddbmm(
            query.new_empty((1, 1, 1)),
            query.flatten(0, 1),
            key.flatten(0, 1).mT,
            beta=0,
            alpha=self.scale,
        )
        return made.view(shape)

    @abstractmethod
    def adjusted(self, products: Tensor, selection: Selection) -> Tensor:
        """Return the products after masks and score changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedSoftmax(Recomputed):
    """Softmax attention with an optional mask and an optional causal rule.

    Attributes:
        mask: Broadcasts to ``[sentence, head, query, key]``; boolean masks say what is visible,
            float masks are added to the scores.
        causal: Query ``i`` sees keys ``0..i + diagonal``.
        diagonal: How many more keys than queries the causal rule starts with.
        window: How many keys to the left and to the right of its own position a query sees;
            ``-1`` for no limit.
    """

    mask: Tensor | None = None
    causal: bool = False
    diagonal: int = 0
    window: tuple[int, int] = (-1, -1)

    @property
    def hides_rows(self) -> bool:
        """Whether a query may see no key: only a mask, or a rule that starts behind it, does so."""
        return self.mask is not None or self.diagonal < 0 or self.window != (-1, -1)

    @property
    def rows_at_once(self) -> int | None:
        """Few where a row sees no later keys: these are then neither made nor hidden."""
        return _FEW_ROWS if self._sight[1] >= 0 else None

    def up_to(self, row: int) -> MaskedSoftmax:
        """Leave out the keys that the causal rule and the window hide from all rows."""
        _, right = self._sight
        keys = max(1, row + self.diagonal + right)
        if right < 0 or keys >= self.key.shape[2]:
            return self
        mask = self.mask
        if mask is not None and mask.dim() and mask.shape[-1] > 1:
            mask = mask[..., :keys]
        return replace(self, key=self.key[:, :, :keys], mask=mask)

    def adjusted(self, products: Tensor, selection: Selection) -> Tensor:
        """Hide what the causal rule, the window and the mask hide."""
        hidden = self._hidden_by_position(products, selection)
        if hidden is not None:
            seen = products.shape[-1] - hidden.shape[-1]  # by all rows
            products[..., seen:].masked_fill_(hidden, -math.inf)
        if self.mask is None:
            return products
        shape = (*self.query.shape[:3], self.key.shape[2])
        mask = selection.of_queries(self.mask.expand(shape))
        if mask.dtype == torch.bool:
            return products.masked_fill_(~mask, -math.inf)
        return products.add_(mask)

    @property
    def _sight(self) -> tuple[int, int]:
        """How many keys to the left and right of its position a query sees; -1 for no limit."""
        left, right = self.window
        return left, 0 if self.causal else right

    def _hidden_by_position(self, products: Tensor, selection: Selection) -> Tensor | None:
        """Return which of the last keys are hidden; those before them are seen by all rows."""
        left, right = self._sight
        if left < 0 and right < 0:
            return None
        own = selection.row_numbers(self.query.shape[2], products.device)[:, None] + self.diagonal
        seen = 0
        if left < 0 and isinstance(selection.rows, slice):
            first = selection.rows.indices(self.query.shape[2])[0]
            seen = max(0, min(self.key.shape[2], first + self.diagonal + right + 1))
        keys = torch.arange(seen, self.key.shape[2], device=products.device)[None]
        hidden = torch.zeros_like(keys - own, dtype=torch.bool)
        if right >= 0:
            hidden |= keys > own + right
        if left >= 0:
            hidden |= keys < own - left
        return hidden


def _span(pick: Pick, size: int) -> range | None:
    """Return the entries next to each other that a pick chooses; ``None`` for others."""
    chosen = range(*pick.indices(size)) if isinstance(pick, slice) else None
    return chosen if chosen is not None and chosen.step == 1 else None


def _in_cache(
    shape: tuple[int, int, int, int], most: int | None = None
) -> Iterator[tuple[slice, slice]]:
    """Yield sentences and at most so many rows whose scores stay in the processor's cache."""
    sentences, heads, rows, keys = shape
    per_row = heads * max(1, keys)
    step = max(1, min(rows if most is None else most, CACHED_ELEMENTS // per_row))
    many = max(1, CACHED_ELEMENTS // (per_row * step))
    for first in range(0, sentences, many):
        for row in range(0, rows, step):
            last = min(first + many, sentences), min(row + step, rows)
            yield slice(first, last[0]), slice(row, last[1])


def _row_scores(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest score of every row and the mean of those with a weight above 0.

    Masks write all kinds of large negative numbers; what they hide has a weight of exactly 0.
    """
    largest = scores.amax(-1)
    if bool((scores.amin(-1) > largest - _NO_WEIGHT).all()):
        return largest.float(), scores.mean(-1).float()
    # Clamping is ten times as fast as choosing by a condition.
    below = (scores - largest[..., None]).clamp_(min=-_NO_WEIGHT)
    seen = (below + _NO_WEIGHT).clamp_(max=_TINY)  # the same power of 2, and 0 where hidden
    mean = torch.linalg.vecdot(below, seen) / seen.sum(-1) + largest
    return largest.float(), mean.float()
