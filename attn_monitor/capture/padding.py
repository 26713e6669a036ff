"""Nested tensors: sentences of different lengths without padding, brought back to one width."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from attn_monitor.capture.notes import WIDTH, write_note


@dataclass(frozen=True, slots=True, kw_only=True)
class Padded:
    """Tokens ``[sentence, token, ...]`` with zeros where a sentence has ended.

    Attributes:
        values: The padded tokens.
        lengths: Tokens per sentence; ``None`` if the tensor was not nested.
    """

    values: Tensor
    lengths: Tensor | None = None

    @property
    def width(self) -> int:
        """Tokens per sentence, padding included."""
        return int(self.values.shape[1])

    def mask(self) -> Tensor | None:
        """Return which pairs of query and key exist, ``[sentence, 1, query, key]``."""
        if self.lengths is None:
            return None
        real = torch.arange(self.width, device=self.values.device)[None] < self.lengths[:, None]
        return (real[:, :, None] & real[:, None, :])[:, None]


def mark_width(tensor: Tensor, width: int) -> None:
    """Let a nested tensor remember the width of the batch it came from."""
    if tensor.is_nested:
        write_note(tensor, WIDTH, width)


def padded_heads(tensor: Tensor) -> Tensor:
    """Return ``[sentence, head, token, ...]`` of a nested tensor, zeros after each sentence."""
    return torch.nested.to_padded_tensor(tensor, 0.0) if tensor.is_nested else tensor


def padded(tensor: Tensor) -> Padded:
    """Return the tokens of a nested tensor, padded to the width of their batch."""
    if not tensor.is_nested:
        return Padded(values=tensor.detach())
    pieces = tensor.detach().unbind()
    lengths = torch.tensor([piece.shape[0] for piece in pieces], device=tensor.device)
    width = max(int(getattr(tensor, WIDTH, 0)), int(lengths.max()))
    shape = (len(pieces), width, *pieces[0].shape[1:])
    return Padded(
        values=torch.nested.to_padded_tensor(tensor.detach(), 0.0, shape), lengths=lengths
    )
