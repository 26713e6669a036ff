"""One tensor, noted before a replay and put back after it."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

_WORD: Final = 8  # bytes that are compared at once


class TensorNote:
    """A copy of a tensor's numbers, and the counter of its changes in place.

    Attributes:
        written: After :meth:`restore`, whether it was written to, even if nothing changed.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.written = False
        self._tensor = tensor
        with torch.inference_mode(mode=False), torch.no_grad():
            self._before = tensor.detach().clone()
        self._version = None if tensor.is_inference() else tensor._version

    def restore(self) -> bool:
        """Put the numbers back where they changed; return whether they had."""
        tensor, before = self._tensor, self._before
        same_shape = tensor.shape == before.shape and tensor.dtype == before.dtype
        moved = not (same_shape and _same(tensor.detach(), before))
        self.written = moved or (self._version is not None and tensor._version != self._version)
        if moved:
            with torch.inference_mode(mode=tensor.is_inference()), torch.no_grad():
                if same_shape:
                    tensor.detach().copy_(before)
                else:
                    tensor.data = before
        if self.written and self._version is not None:
            # A graph that waits for its backward pass sees it as unchanged, which it is.
            torch._C._autograd._unsafe_set_version_counter((tensor,), (self._version,))
        return moved


def _same(one: Tensor, other: Tensor) -> bool:
    """Compare bytes, so that NaN equals NaN."""
    if one.layout != torch.strided or not one.is_contiguous() or not other.is_contiguous():
        return bool(torch.equal(one, other))
    if one.is_quantized or one.is_complex() or one.dim() == 0:
        return bool(torch.equal(one, other))
    size = one.element_size() * one.shape[-1]
    words = torch.int64 if size % _WORD == 0 and _aligned(one) and _aligned(other) else torch.uint8
    return bool(torch.equal(one.view(words), other.view(words)))


def _aligned(tensor: Tensor) -> bool:
    return tensor.storage_offset() * tensor.element_size() % _WORD == 0
