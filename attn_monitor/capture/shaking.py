"""A forward pass as if the weights were others: what is chosen by them is then something else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.origins import origin_of

_WITH_WEIGHTS: Final = frozenset(
    {"embedding", "linear", "convolution", "mm", "bmm", "addmm", "baddbmm", "matmul"}
)


@dataclass(slots=True)
class Shaking:
    """Multiplies every row that a layer with weights returns by a number drawn for it.

    No parameter is touched, and the model's own random numbers are drawn as ever.
    """

    _draw: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    def __call__(self, call: OperatorCall) -> object:
        """Return an operator's result as it might be with other weights."""
        result = call.result
        if call.name not in _WITH_WEIGHTS or not isinstance(result, Tensor):
            return result
        if not result.is_floating_point() or result.is_nested or not result.dim():
            return result
        operands = (x for x in (*call.args, *call.kwargs.values()) if isinstance(x, Tensor))
        if not any(origin is not None and origin.learned for origin in map(origin_of, operands)):
            return result
        factors = torch.randn((*result.shape[:-1], 1), generator=self._draw)
        return result * factors.to(result)
