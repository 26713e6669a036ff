"""Counting forbidden pairs: how many were tried, how many leak, and which is the worst."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from attn_monitor.core.mask_audit import MaskCheck

_HALF: Final = 1e-2  # of the strongest token; exact zeros are the rule
_SINGLE: Final = 1e-5


def tolerance(tensor: Tensor) -> float:
    """Return up to which share of the strongest token's an influence is rounding."""
    return _SINGLE if tensor.dtype in {torch.float32, torch.float64} else _HALF


@dataclass(slots=True)
class Count:
    """Forbidden pairs that were tried, those that leak, and the worst of them."""

    tolerance: float
    pairs: int = 0
    leaks: int = 0
    size: float = 0.0
    worst: tuple[int, int, int, int] = (0, -1, 0, -1)  # sentence, query; sentence, key

    def add(self, forbidden: Tensor, size: Tensor, query: int) -> None:
        """Count one query of every sentence: ``[sentence, key]``."""
        strongest = size.amax(1, keepdim=True)
        known = torch.isfinite(strongest) & (strongest > 0)
        share = torch.where(known, size / strongest.clamp_min(1e-30), torch.zeros_like(size))
        tried = forbidden & known
        self._take(tried, torch.where(tried, share, torch.zeros_like(share)), query, None)

    def add_row(self, row: int, others: Tensor, size: Tensor, *, times: int) -> None:
        """Count a whole sentence against the tokens of the others."""
        strongest = size[row].max()
        if not bool(torch.isfinite(strongest)) or float(strongest) == 0:
            return
        share = torch.where(others, size / strongest, torch.zeros_like(size))
        self._take(others, share, -1, row, times=times)

    def _take(
        self, tried: Tensor, share: Tensor, query: int, row: int | None, *, times: int = 1
    ) -> None:
        self.pairs += int(tried.sum()) * times
        leaking = share > self.tolerance
        self.leaks += int(leaking.sum()) * times
        if bool(leaking.any()) and float(share.max()) > self.size:
            at = int(share.argmax())
            other, key = divmod(at, share.shape[1])
            self.size = float(share.max())
            self.worst = (other if row is None else row, query, other, key)

    def into(self, check: MaskCheck, first: str) -> MaskCheck:
        """Return a check with what was counted.

        Args:
            check: What was tried.
            first: The first module that shows the worst pair.
        """
        if not self.leaks:
            return replace(check, pairs=self.pairs)
        _, query, _, key = self.worst
        return replace(
            check,
            pairs=self.pairs,
            leaks=self.leaks,
            query=query,
            key=key,
            size=self.size,
            first=first,
        )


def spread(columns: list[int], most: int) -> list[int]:
    """Return columns, those far apart first, so that whatever there is time for is spread."""
    order = sorted(range(len(columns)), key=lambda at: (_trailing(at), at))
    picked = [columns[at] for at in order]
    return picked[:most]


def _trailing(at: int) -> int:
    return -((at & -at).bit_length()) if at else -64
