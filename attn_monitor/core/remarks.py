"""What a recording says beside its steps: the mask audit, and what training batches showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from attn_monitor.core.mask_audit import MaskAudit

NUMBERS: Final = ("score", "entropy", "query", "key")  # of each head, in this order


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What every head did in the forward pass of one training batch.

    Attributes:
        step: Optimizer steps taken before it.
        heads: Part -> for each of :data:`NUMBERS` a number per head: the largest score before
            softmax that a query may see; the entropy of its rows in nats, mean over some; the
            mean length of its queries; that of its keys. NaN where unknown.
    """

    step: int
    heads: Mapping[str, Float[np.ndarray, "number layer head"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remarks:
    """What a recording says beside its steps.

    Attributes:
        audit: Whether the mask holds; ``None`` where nobody looked.
        readings: What training batches showed, by step.
    """

    audit: MaskAudit | None = None
    readings: Sequence[Reading] = ()
