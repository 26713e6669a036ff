"""One attention call: what entered it, and its weights for whatever part is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from attn_monitor.capture.causality import looks_causal
from attn_monitor.capture.rules import BLOCK_ELEMENTS, WeightRule
from attn_monitor.capture.selection import EVERYTHING, Pick, Selection
from attn_monitor.capture.sources import Sources
from attn_monitor.core.nouns import Evidence, PartKind


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A tensor of the model as it was at one moment; it may be written to later."""

    tensor: Tensor
    version: int

    @classmethod
    def of(cls, tensor: Tensor) -> Kept:
        """Keep a tensor."""
        return cls(tensor.detach(), _version(tensor))

    @property
    def unchanged(self) -> bool:
        """Whether nothing was written to it since."""
        return _version(self.tensor) == self.version


@dataclass(kw_only=True, eq=False)
class Record:
    """What one attention call did. Lazy: no weights exist before :meth:`weights` is called.

    Attributes:
        module: Path of the module that called it, for example ``encoder.layers.0.self_attn``.
        module_type: That module's class name.
        call: How many attention calls this module made before, during this capture.
        beside: How many attentions the same module call has made that are not projected yet:
            those run beside this one, not before it.
        source: The operator that was seen.
        kind: ``"self"`` when queries and keys come from the same tokens, else ``"cross"``.
        heads: Number of query heads.
        windows: Windows per sentence: axis 0 counts ``sentence * windows`` entries where a model
            attends inside local windows (Swin), one after the other for each sentence.
        query: ``[sentence, head, query, d_head]``, as it entered the product.
        key: ``[sentence, head, key, d_head]``; fewer heads than ``query`` in grouped attention.
        value: ``[sentence, head, key, d_value]``; fewer heads likewise.
        rule: How the weights are obtained.
        evidence: See :class:`attn_monitor.core.nouns.Layer`.
        error: Largest difference between weights times values and the layer's own output.
        output_projection: W_O, ``[head * d_value, d_model]``, where it is known.
        mixed: ``[sentence, head, query, d_value]``, weights times values as the model made them;
            ``None`` where they are inside of an operator.
        projected: ``[..., head * d_value]``, what W_O was given; ``None`` likewise.
        query_projected: Queries as the projection made them, before rotary positions; ``None``
            where nothing happened to them or it is not known.
        key_projected: Likewise for keys.
        sources: Whose tokens stand along both axes; ``None`` where nobody followed the batch.
    """

    module: str
    module_type: str
    call: int
    source: str
    kind: PartKind
    heads: int
    query: Float[Tensor, "sentence head query d_head"]
    key: Float[Tensor, "sentence key_head key d_head"]
    value: Float[Tensor, "sentence key_head key d_value"]
    rule: WeightRule = field(repr=False)
    windows: int = 1
    beside: int = 0
    evidence: Evidence = "unverified"
    error: float | None = None
    output_projection: Tensor | None = None
    mixed: Kept | None = None
    projected: Kept | None = None
    query_projected: Tensor | None = None
    key_projected: Tensor | None = None
    sources: Sources | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Sentences (times windows), heads, queries, keys: the shape of its weights."""
        return self.rule.shape

    @property
    def causal(self) -> bool:
        """No query puts any weight on a key after itself (read off a few sampled rows)."""
        return self.kind == "self" and self.order is True

    @cached_property
    def order(self) -> bool | None:
        """Like :attr:`causal` for any kind; ``None`` where no sampled row tells."""
        return looks_causal(self.rule, self.shape)

    def weights(
        self, sentences: Pick = EVERYTHING, heads: Pick = EVERYTHING, rows: Pick = EVERYTHING
    ) -> Float[Tensor, "sentence head query key"]:
        """Return the attention weights of a selection, as float32; only the selection is built.

        Rows sum to 1 over the keys, except rows that see no key (all 0) and models that mix heads
        after their softmax (talking heads), whose rows are what the model really used.
        """
        return self.rule.weights(Selection(sentences=sentences, heads=heads, rows=rows))

    def blocks(
        self, max_elements: int = BLOCK_ELEMENTS
    ) -> Iterator[tuple[int, int, int, Float[Tensor, "rows key"]]]:
        """Yield ``(sentence, head, first_row, weights)`` so that no whole layer is ever built.

        Args:
            max_elements: Largest number of weights that exist at a time.
        """
        sentences, heads, rows, keys = self.shape
        step = max(1, min(rows, max_elements // max(1, keys)))
        for sentence in range(sentences):
            for head in range(heads):
                for row in range(0, rows, step):
                    block = self.weights(
                        slice(sentence, sentence + 1), slice(head, head + 1), slice(row, row + step)
                    )
                    yield sentence, head, row, block[0, 0]

    def logit_max(self) -> Float[Tensor, "sentence head"] | None:
        """Return the largest score before softmax per head; ``None`` where it is not defined."""
        return self.rule.logit_max()


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version
