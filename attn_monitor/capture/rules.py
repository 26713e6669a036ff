"""How the weights of one attention call are obtained, for any part of them.

Either the model built the weights itself (:class:`ModelWeights`) or a fused kernel hid them and
they are computed again from queries and keys (:class:`Recomputed`), only where they are asked for.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from attn_monitor.capture.selection import Selection

BLOCK_ELEMENTS = 1 << 22
CACHED_ELEMENTS = 1 << 18  # a megabyte: reduced where it was made, in the processor's cache


@contextmanager
def exact_arithmetic(device_type: str) -> Iterator[None]:
    """Compute without gradients and without autocast's silent rounding to half precision."""
    with torch.no_grad(), torch.autocast(device_type, enabled=False):
        yield


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWeights(WeightRule):
    """The very tensor that the model multiplied with its values.

    Attributes:
        tensor: ``[sentence, head, query, key]``.
        largest_score: ``[sentence, head]`` taken when the softmax ran.
    """

    tensor: Tensor
    largest_score: Tensor | None = None

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
        with exact_arithmetic(self.query.device.type):
            scores = self.scores(selection)
            weights = scores.softmax(-1)
            if self.hides_rows:
                # SDPA, flex and flash all write 0 where a query sees no key; softmax says NaN.
                weights = weights.masked_fill_(scores.amax(-1, keepdim=True) == -math.inf, 0.0)
            return weights.float()

    @property
    def hides_rows(self) -> bool:
        """Whether a query may see no key at all."""
        return True

    def logit_max(self) -> Tensor:
        """Return the largest visible score per head; ``-inf`` where a head sees nothing."""
        sentences, heads, rows = self.query.shape[:3]
        result = self.query.new_full((sentences, heads), -math.inf, dtype=torch.float32)
        per_row = heads * max(1, self.key.shape[2])
        step = max(1, min(rows, CACHED_ELEMENTS // per_row))
        many = max(1, CACHED_ELEMENTS // (per_row * step)) if step == rows else 1
        with exact_arithmetic(self.query.device.type):
            for first in range(0, sentences, many):
                chosen = slice(first, first + many)
                for row in range(0, rows, step):
                    block = Selection(sentences=chosen, rows=slice(row, row + step))
                    top = self.scores(block).amax(dim=(-2, -1)).float()
                    result[chosen] = torch.maximum(result[chosen], top)
        return result

    def scores(self, selection: Selection) -> Tensor:
        """Return the selected scores before softmax, ``-inf`` where a key is hidden."""
        return self.adjusted(self.products(selection), selection)

    def products(self, selection: Selection) -> Tensor:
        """Return the scaled products of queries and keys, in float32 or better."""
        precise = torch.promote_types(self.query.dtype, torch.float32)
        query = selection.of_queries(self.query).to(precise)
        key = selection.of_keys(self.key, heads=self.query.shape[1]).to(precise)
        return (query @ key.transpose(-1, -2)).mul_(self.scale)

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

    def adjusted(self, products: Tensor, selection: Selection) -> Tensor:
        """Hide what the causal rule, the window and the mask hide."""
        hidden = self._hidden_by_position(products, selection)
        if hidden is not None:
            products = products.masked_fill_(hidden, -math.inf)
        if self.mask is None:
            return products
        shape = (*self.query.shape[:3], self.key.shape[2])
        mask = selection.of_queries(self.mask.expand(shape))
        if mask.dtype == torch.bool:
            return products.masked_fill_(~mask, -math.inf)
        return products.add_(mask)

    def _hidden_by_position(self, products: Tensor, selection: Selection) -> Tensor | None:
        left, right = self.window
        if self.causal:
            right = 0 if right < 0 else min(right, 0)
        if left < 0 and right < 0:
            return None
        own = selection.row_numbers(self.query.shape[2], products.device)[:, None] + self.diagonal
        keys = torch.arange(self.key.shape[2], device=products.device)[None]
        hidden = torch.zeros_like(keys - own, dtype=torch.bool)
        if right >= 0:
            hidden |= keys > own + right
        if left >= 0:
            hidden |= keys < own - left
        return hidden
