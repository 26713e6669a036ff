"""What the analysis reads: the attention of one layer on one sentence, without padding."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int


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
        key_tokens: What stands at each key, for metrics that ask whether a token occurs again;
            ``None`` where nobody knows.
    """

    attn: Float[np.ndarray, "head query key"]
    causal: bool = False
    cross: bool = False
    special: tuple[int, ...] = ()
    logit_max: Float[np.ndarray, " head"] | None = None
    key_tokens: tuple[str, ...] | None = None

    @property
    def queries(self) -> int:
        """Number of valid query tokens."""
        return int(self.attn.shape[1])

    @property
    def keys(self) -> int:
        """Number of valid key tokens."""
        return int(self.attn.shape[2])

    def visible(self) -> Int[np.ndarray, " query"]:
        """Return how many keys each query may look at."""
        if self.causal:
            return np.minimum(np.arange(1, self.queries + 1), self.keys)
        return np.full(self.queries, self.keys)

    def uniform(self) -> Maps:
        """Return the same sentence as one head that spreads its attention evenly would see it."""
        visible = self.visible()
        seen = np.arange(self.keys)[None, :] < visible[:, None]
        even = np.where(seen, 1.0 / visible[:, None], 0.0)[None]
        return replace(self, attn=even, logit_max=None)
