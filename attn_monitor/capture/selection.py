"""Which sentences, heads and rows of a layer's attention are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Pick = slice | Sequence[int] | Tensor
EVERYTHING = slice(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A block of ``[sentence, head, query, key]``; whole rows only, because a softmax needs them.

    Slices become views and copy nothing; index lists copy exactly what they name.
    """

    sentences: Pick = field(default_factory=lambda: EVERYTHING)
    heads: Pick = field(default_factory=lambda: EVERYTHING)
    rows: Pick = field(default_factory=lambda: EVERYTHING)

    def of_queries(self, query: Tensor) -> Tensor:
        """Return the selected block of a ``[sentence, head, query, ...]`` tensor."""
        return _along(_along(_along(query, 0, self.sentences), 1, self.heads), 2, self.rows)

    def of_keys(self, key: Tensor, *, heads: int) -> Tensor:
        """Return the selected keys, each shared key head repeated for the query heads it serves.

        Args:
            key: ``[sentence, key_head, key, d_head]`` with ``heads`` a multiple of ``key_head``.
            heads: Number of query heads.
        """
        chosen = _along(key, 0, self.sentences)
        if key.shape[1] == heads:
            return _along(chosen, 1, self.heads)
        served_by = self.head_numbers(heads, key.device) // (heads // key.shape[1])
        return chosen[:, served_by]

    def head_numbers(self, heads: int, device: torch.device) -> Tensor:
        """Return the numbers of the selected heads."""
        return _along(torch.arange(heads, device=device), 0, self.heads)

    def row_numbers(self, rows: int, device: torch.device) -> Tensor:
        """Return the numbers of the selected query rows."""
        return _along(torch.arange(rows, device=device), 0, self.rows)

    def sentence_numbers(self, sentences: int, device: torch.device) -> Tensor:
        """Return the numbers of the selected sentences."""
        return _along(torch.arange(sentences, device=device), 0, self.sentences)


def _along(tensor: Tensor, dim: int, pick: Pick) -> Tensor:
    """Return ``tensor`` with one dimension narrowed to ``pick``."""
    if isinstance(pick, slice):
        return tensor if pick == EVERYTHING else tensor[(EVERYTHING,) * dim + (pick,)]
    index = torch.as_tensor(pick, dtype=torch.long, device=tensor.device)
    return tensor.index_select(dim, index)
