"""Parameters that start at zero hide what lies behind them: filled while a mask is tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn

_GATE: Final = 0.5  # vectors and single numbers: gates, scales, biases


@contextmanager
def alive(model: nn.Module) -> Iterator[None]:
    """Let every parameter that is zero throughout be something else in the ``with`` block.

    A projection or a gate that starts at zero lets nothing through: no mask in front of it could
    be seen to leak. The tensors themselves are not written to.

    Args:
        model: The model.
    """
    random = torch.Generator().manual_seed(0)
    filled: list[tuple[nn.Parameter, Tensor]] = []
    try:
        for parameter in model.parameters():
            if type(parameter) is nn.Parameter and _is_zero(parameter):
                filled.append((parameter, parameter.data))
                scale = _GATE if parameter.dim() < 2 else parameter[0].numel() ** -0.5  # noqa: PLR2004
                values = torch.randn(parameter.shape, generator=random) * scale
                parameter.data = values.to(parameter.data)
        yield
    finally:
        for parameter, before in filled:
            parameter.data = before


def _is_zero(parameter: nn.Parameter) -> bool:
    known = parameter.is_floating_point() and not parameter.is_meta and parameter.numel() > 0
    return known and parameter.layout == torch.strided and not bool(parameter.detach().any())
