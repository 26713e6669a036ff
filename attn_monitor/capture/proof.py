"""Proving a recomputation: do weights times values give what the kernel returned?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from attn_monitor.capture.record import Record
from attn_monitor.capture.selection import Selection
from attn_monitor.core.arrays import evenly_spread

Check = Callable[[Record], tuple[float | None, bool]]

_SAMPLED_ROWS: Final = 8
_SAMPLED_SENTENCES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Sentences and query rows, spread over the call, on which a recomputation is checked."""

    sentences: tuple[int, ...]
    rows: tuple[int, ...]

    @property
    def selection(self) -> Selection:
        """The sample as a selection of all heads."""
        return Selection(sentences=self.sentences, rows=self.rows)


def sample_of(record: Record) -> Sample:
    """Return a few sentences and rows of a record, always with the first and the last."""
    sentences, _, rows, _ = record.shape
    return Sample(
        sentences=evenly_spread(sentences, _SAMPLED_SENTENCES),
        rows=evenly_spread(rows, _SAMPLED_ROWS),
    )


def weighted_values(record: Record, sample: Sample) -> Tensor:
    """Return weights times values on the sample, float32 ``[sentence, head, query, d_value]``."""
    everyone = Selection(sentences=sample.sentences)
    value = everyone.of_keys(record.value, heads=record.heads).float()
    return record.weights(sample.sentences, rows=sample.rows) @ value


def agreement(expected: Tensor, returned: Tensor) -> tuple[float | None, bool]:
    """Return the largest absolute difference, and whether rounding explains it.

    Where there is nothing to compare, or one side is NaN, the difference is unknown: ``None``.

    The bound is a few units in the last place of the kernel's own number format, relative to the
    largest returned value; float32 kernels add up in another order, hence the floor of 1e-5.
    """
    difference = (expected.float() - returned.float()).abs()
    if not difference.numel() or bool(difference.isnan().any()):
        return None, False
    error, scale = float(difference.max()), float(returned.float().abs().max())
    bound = max(4 * torch.finfo(returned.dtype).eps, 1e-5)
    return error, error <= bound * max(scale, torch.finfo(torch.float32).tiny)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCheck:
    """Compares weights times values with the kernel's output.

    Attributes:
        output: ``[sentence, head, query, d_value]`` as the kernel returned it.
    """

    output: Tensor

    def __call__(self, record: Record) -> tuple[float | None, bool]:
        """Return the error on a sample of rows and whether rounding explains it."""
        sample = sample_of(record)
        return agreement(weighted_values(record, sample), sample.selection.of_queries(self.output))
