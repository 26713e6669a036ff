"""What several folders ask of a tensor: its numbers, and whether they are probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

SUM_TOLERANCE: Final = 1e-3  # how far rounding takes the sum of a row of probabilities from 1


def to_numpy(tensor: Tensor, dtype: torch.dtype = torch.float32) -> np.ndarray:
    """Return a tensor's numbers as float32, or as asked for, wherever it lies."""
    return tensor.detach().to(dtype).cpu().numpy()


def are_probabilities(values: Float[Tensor, "... entry"]) -> bool:
    """Tell whether every row is a distribution already: nothing below 0, sums within 1e-3 of 1."""
    first = values[:1] if values.dim() > 1 else values  # mostly tells, and is soon read
    return _are_distributions(first) and _are_distributions(values)


def _are_distributions(values: Float[Tensor, "... entry"]) -> bool:
    return bool(_sum_to_one(values).all()) and bool((values.amin(dim=-1) >= 0).all())


def distributions(values: Float[Tensor, "*rows entry"]) -> Bool[Tensor, "*rows"]:
    """Tell of every row whether it is a distribution: nothing below 0, a sum within 1e-3 of 1."""
    return _sum_to_one(values) & (values.amin(dim=-1) >= 0)


def _sum_to_one(values: Float[Tensor, "*rows entry"]) -> Bool[Tensor, "*rows"]:
    return (values.sum(dim=-1, dtype=torch.float32) - 1.0).abs() < SUM_TOLERANCE


def own_part(tensor: Tensor) -> Tensor:
    """Return this process's part of a tensor that is spread over several; any other as it is."""
    to_local = getattr(tensor, "to_local", None)
    return tensor if to_local is None else to_local()


def tensors_in(values: object) -> Iterator[Tensor]:
    """Yield the tensors of arguments or results, lists of tensors included."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (tuple, list)):
        for value in values:
            if isinstance(value, Tensor):
                yield value
            elif isinstance(value, (tuple, list)):
                yield from tensors_in(value)


def as_in(value: object, items: list[object]) -> object:
    """Return items in a container like the given one: flex attention joins tuples with tuples."""
    return tuple(items) if isinstance(value, tuple) else items
