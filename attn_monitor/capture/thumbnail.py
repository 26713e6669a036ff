"""Small maps of long sentences: attention between stretches of tokens instead of tokens."""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attn_monitor.capture.record import Record

SIDE: Final = 64
_BLOCK_ELEMENTS: Final = 1 << 20


def thumbnail(record: Record, *, side: int = SIDE) -> Float[Tensor, "sentence head cell cell2"]:
    """Return coarse maps whose cells are stretches of about ``tokens / side`` tokens.

    A cell is the share of attention that an average query of its row's stretch gives to its
    column's stretch as a whole, so rows still sum to 1. A sentence of at most ``side`` tokens
    keeps one cell per token. Built in row blocks: no whole map exists at any time.

    Args:
        record: The attention call.
        side: Largest number of cells per axis.
    """
    sentences, heads, queries, keys = record.shape
    device = record.query.device
    row_cell, column_cell = _cells(queries, side, device), _cells(keys, side, device)
    size = int(row_cell[-1]) + 1, int(column_cell[-1]) + 1
    result = torch.zeros(sentences, heads, *size, device=device)
    for sentence, head, first, block in record.blocks(_BLOCK_ELEMENTS):
        columns = torch.zeros(len(block), size[1], device=device).index_add_(1, column_cell, block)
        rows = row_cell[first : first + len(block)]
        result[sentence, head].index_add_(0, rows, columns)
    return result / row_cell.bincount()[:, None]


def _cells(tokens: int, side: int, device: torch.device) -> Int[Tensor, " token"]:
    """Return the number of the stretch that each token belongs to."""
    count = min(tokens, side)
    return torch.arange(tokens, device=device) * count // tokens
