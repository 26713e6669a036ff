"""What the analysis reads: the attention of one layer on one sentence, without padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

BLOCK_WEIGHTS: Final = 1 << 18  # a megabyte: stays in a processor's cache while it is reduced


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSizes:
    """How large what each head handles is, means over the valid tokens; NaN where unknown.

    Attributes:
        reads: Norm of weights times values.
        writes: Norm of that after the head's slice of the output projection, before mixing.
        writes_share: Share of ``writes`` in the sum over all heads of the layer.
        query: Norm of the queries.
        key: Norm of the keys.
        value: Norm of the values.
        logit_mean: Score before softmax of the pairs that have a weight.
    """

    reads: Float[np.ndarray, " head"]
    writes: Float[np.ndarray, " head"]
    writes_share: Float[np.ndarray, " head"]
    query: Float[np.ndarray, " head"]
    key: Float[np.ndarray, " head"]
    value: Float[np.ndarray, " head"]
    logit_mean: Float[np.ndarray, " head"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """The attention maps of one layer on one sentence, cropped to its valid tokens.

    Cropping matters: padded keys carry no mass, but padded *queries* do, and every mean over
    queries would be wrong with them.

    Attributes:
        attn: Weights after softmax, rows are queries and sum to 1 over the keys.
        causal: Query ``i`` sees keys ``0..i`` only.
        cross: Queries and keys are different tokens (encoder-decoder attention).
        special: Key positions of tokens that are not words.
        logit_max: Largest score before softmax per head, ``None`` where the kernel hides it.
        sizes: How large queries, keys, values and what the heads write are; ``None`` where nobody
            looked.
        key_tokens: What stands at each key, for metrics that ask whether a token occurs again;
            ``None`` where nobody knows.
        documents: Where each of several documents begins, 0 the first; a query sees the keys of
            its own. Empty for one.
    """

    attn: Float[np.ndarray, "head query key"]
    causal: bool = False
    cross: bool = False
    special: tuple[int, ...] = ()
    logit_max: Float[np.ndarray, " head"] | None = None
    sizes: HeadSizes | None = None
    key_tokens: tuple[str, ...] | None = None
    documents: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of heads, valid query tokens and valid key tokens."""
        heads, queries, keys = self.attn.shape
        return heads, queries, keys

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.shape[0]

    @property
    def queries(self) -> int:
        """Number of valid query tokens."""
        return self.shape[1]

    @property
    def keys(self) -> int:
        """Number of valid key tokens."""
        return self.shape[2]

    def rows(self, first: int, end: int) -> Float[np.ndarray, "head rows key"]:
        """Return the weights of the queries ``first:end``."""
        return self.attn[:, first:end]

    def blocks(self) -> Iterator[tuple[int, Float[np.ndarray, "head rows key"]]]:
        """Yield ``(first query, weights)`` of a few queries at a time, all queries in order.

        What is read this way is read from the cache, and of :class:`MapsByRows` no whole map ever
        exists.
        """
        step = max(1, BLOCK_WEIGHTS // max(1, self.heads * self.keys))
        for first in range(0, self.queries, step):
            yield first, self.rows(first, min(first + step, self.queries))

    def visible(self) -> Int[np.ndarray, " query"]:
        """Return how many keys each query may look at."""
        first, end = self.sight()
        return np.asarray(end - first)

    def sight(self) -> tuple[Int[np.ndarray, " query"], Int[np.ndarray, " query"]]:
        """Return the first key that each query may look at, and the one after the last."""
        queries = np.arange(self.queries)
        first, end = np.zeros_like(queries), np.full_like(queries, self.keys)
        if self.documents:
            begins = np.array([*self.documents, self.keys])
            own = np.searchsorted(begins, queries, side="right") - 1
            first, end = begins[own], begins[own + 1]
        return first, np.minimum(end, queries + 1) if self.causal else end

    def uniform(self) -> Maps:
        """Return the same sentence as one head that spreads its attention evenly would see it."""
        nearest, farthest = self.sight()
        keys = np.arange(self.keys)

        def rows(first: int, end: int) -> Float[np.ndarray, "head rows key"]:
            low, high = nearest[first:end, None], farthest[first:end, None]
            return np.where((keys >= low) & (keys < high), 1.0 / (high - low), 0.0)[None]

        return MapsByRows(
            shape=(1, self.queries, self.keys),
            rows=rows,
            causal=self.causal,
            cross=self.cross,
            special=self.special,
            key_tokens=self.key_tokens,
            documents=self.documents,
        )


class MapsByRows(Maps):
    """Maps too large to hold, whose rows are made when they are asked for.

    ``attn`` still makes all of them, for a metric that cannot do with some rows at a time.
    """

    __slots__ = ("_largest", "_rows", "_shape")
    _rows: Callable[[int, int], Float[np.ndarray, "head rows key"]]
    _shape: tuple[int, int, int]
    _largest: Float[np.ndarray, " head"] | Callable[[], Float[np.ndarray, " head"] | None] | None

    def __init__(
        self,
        *,
        shape: tuple[int, int, int],
        rows: Callable[[int, int], Float[np.ndarray, "head rows key"]],
        causal: bool = False,
        cross: bool = False,
        special: tuple[int, ...] = (),
        logit_max: Float[np.ndarray, " head"]
        | Callable[[], Float[np.ndarray, " head"] | None]
        | None = None,
        sizes: HeadSizes | None = None,
        key_tokens: tuple[str, ...] | None = None,
        documents: tuple[int, ...] = (),
    ) -> None:
        """Describe maps without making any.

        Args:
            shape: Numbers of heads, queries and keys.
            rows: Returns the weights of the queries ``first:end``.
            causal: See :class:`Maps`, as for the rest.
            cross: Queries and keys are different tokens.
            special: Key positions of tokens that are not words.
            logit_max: Largest score before softmax per head, or what says it when it is asked for.
            sizes: How large what the heads handle is.
            key_tokens: What stands at each key.
            documents: Where each of several documents begins.
        """
        facts = {
            "causal": causal,
            "cross": cross,
            "special": special,
            "_largest": logit_max,
            "sizes": sizes,
            "key_tokens": key_tokens,
            "documents": documents,
            "_shape": shape,
            "_rows": rows,
        }
        for name, value in facts.items():
            object.__setattr__(self, name, value)  # frozen, as every Maps

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of heads, valid query tokens and valid key tokens."""
        return self._shape

    @property
    def logit_max(self) -> Float[np.ndarray, " head"] | None:
        """Largest score before softmax per head, ``None`` where the kernel hides it."""
        return self._largest() if callable(self._largest) else self._largest

    @property
    def attn(self) -> Float[np.ndarray, "head query key"]:
        """All weights; made anew each time."""
        return self._rows(0, self.queries)

    def rows(self, first: int, end: int) -> Float[np.ndarray, "head rows key"]:
        """Return the weights of the queries ``first:end``; nothing else is made."""
        return self._rows(first, end)

    def held(self, attn: Float[np.ndarray, "head query key"] | None = None) -> Maps:
        """Return the same maps in memory, their own copy.

        Args:
            attn: The weights, where somebody has made them already.
        """
        if attn is None:
            attn = np.empty(self.shape, dtype=self.rows(0, 1).dtype)
            for first, block in self.blocks():
                attn[:, first : first + block.shape[1]] = block
        return Maps(
            attn=attn,
            causal=self.causal,
            cross=self.cross,
            special=self.special,
            logit_max=self.logit_max,
            sizes=self.sizes,
            key_tokens=self.key_tokens,
            documents=self.documents,
        )
