"""Following the two token axes of a score matrix through permutations and reshapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from torch import Tensor

from attn_monitor.capture.operators import OperatorCall

Axes = tuple[int, int]
_TRANSPOSING: Final = frozenset({"transpose", "swapaxes", "swapdims"})
_MATRIX: Final = 2


def axes_after(
    call: OperatorCall, axes: Axes | None, source: Tensor, output: Tensor
) -> Axes | None:
    """Return where the two axes are in an operator's output; ``None`` where it cannot be told.

    Args:
        call: The operator.
        axes: Where they were in its input, counted from the front.
        source: That input.
        output: The output.
    """
    if axes is None:
        return None
    order = _order(call, source.dim())
    if order is not None:
        return order.index(axes[0]), order.index(axes[1])
    if source.dim() == output.dim():
        return axes
    if source.numel() == output.numel():
        left, right = (_reshaped(source.shape, axis, output.shape) for axis in axes)
        return None if left is None or right is None else (left, right)
    shift = output.dim() - source.dim()  # broadcasting adds axes in front
    return axes[0] + shift, axes[1] + shift


def _reshaped(before: Sequence[int], axis: int, after: Sequence[int]) -> int | None:
    """Return the axis of the new shape that holds the same entries as one of the old shape."""
    size, leading = before[axis], math.prod(before[:axis])
    for position, candidate in enumerate(after):
        if candidate == size > 1 and math.prod(after[:position]) == leading:
            return position
    return None


def _order(call: OperatorCall, dims: int) -> list[int] | None:
    """Return which input axis each output axis was, for operators that permute axes."""
    if call.name == "t" and dims == _MATRIX:
        return [1, 0]
    if call.name == "permute" and isinstance(call.args[1], Sequence):
        return [axis % dims for axis in call.args[1]]
    if call.name in _TRANSPOSING:
        first, second = (int(call.number(name, 0.0)) % dims for name in ("dim0", "dim1"))
        order = list(range(dims))
        order[first], order[second] = order[second], order[first]
        return order
    return None
