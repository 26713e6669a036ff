"""How large what a head handles is: its queries, keys, values and scores, and what it writes.

Everything is reduced to one number per token; nothing larger than some rows of scores is made.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from attn_monitor.capture.record import Record
from attn_monitor.capture.rules import (
    CACHED_ELEMENTS,
    MaskedSoftmax,
    Recomputed,
    exact_arithmetic,
)
from attn_monitor.capture.selection import Selection

_SAME_ENERGY = 0.02  # half precision and another order of adding stay far below


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes of what every head of one attention call handled; NaN where it is not known.

    Attributes:
        reads: ``[sentence, head, query]``: norm of weights times values.
        writes: ``[sentence, head, query]``: norm of that after the head's slice of W_O, before
            heads are added up; ``None`` where W_O is not known.
        query: ``[sentence, head, query]``: norm of the query.
        key: ``[sentence, head, key]``: norm of the key, of its group where heads share keys.
        value: ``[sentence, head, key]``: norm of the value, likewise.
        largest: ``[sentence, head, query]``: largest score before softmax; ``None`` if hidden.
        mean: ``[sentence, head, query]``: mean score of the keys with a weight above 0.
        weights: ``[sentence, head, query, key]``: all weights, where they were made on the way.
    """

    reads: Tensor
    writes: Tensor | None
    query: Tensor
    key: Tensor
    value: Tensor
    largest: Tensor | None
    mean: Tensor | None
    weights: Tensor | None = None


def sizes_of(record: Record, factor: Tensor | None, *, keep: bool = False) -> Sizes:
    """Return the sizes of one call.

    Args:
        record: The call.
        factor: What :func:`output_factor` returned for its layer.
        keep: Return all weights as well, if scores are computed here.
    """
    with exact_arithmetic(record.query.device.type):
        mixed, rows = _mixed(record), None
        if mixed is None:
            mixed = _fused(record)
        if isinstance(record.rule, Recomputed):
            value = record.value if mixed is None else None
            rows = record.rule.row_scores(value, keep=keep)
            mixed = rows.mixed if mixed is None else mixed
        else:
            rows = record.rule.row_scores()
        if mixed is None:
            mixed = _weighted(record)
        reads = _norm(mixed)
        known = factor is not None and _is_projected(record, mixed, reads)
        groups = record.heads // record.key.shape[1]
        return Sizes(
            reads=reads,
            writes=_norm(mixed.to(factor.dtype) @ factor) if known and factor is not None else None,
            query=_norm(record.query),
            key=_norm(record.key).repeat_interleave(groups, dim=1),
            value=_norm(record.value).repeat_interleave(
                record.heads // record.value.shape[1], dim=1
            ),
            largest=None if rows is None else rows.largest,
            mean=None if rows is None else rows.mean,
            weights=None if rows is None else rows.weights,
        )


def output_factor(record: Record) -> Tensor | None:
    """Return ``[head, d_value, d_value]`` factors F with ``|z F| = |z W_O|`` for every z.

    They are small where W_O is large; made in double precision. ``None`` where W_O is not known.
    """
    projection, width = record.output_projection, record.value.shape[-1]
    if projection is None or not projection.is_floating_point():
        return None
    if projection.dim() != 2 or projection.shape[0] != record.heads * width:  # noqa: PLR2004
        return None
    device = projection.device
    with exact_arithmetic(device.type):
        slices = projection.detach().to("cpu" if device.type == "mps" else device, torch.float64)
        slices = slices.reshape(record.heads, width, -1)
        gram = slices @ slices.mT
        # So that silent directions have a factor: a ten-millionth of the largest one.
        floor = gram.diagonal(dim1=-2, dim2=-1).sum(-1).mul(1e-15).clamp(min=1e-290)
        gram.diagonal(dim1=-2, dim2=-1).add_(floor[:, None])
        factor, _ = torch.linalg.cholesky_ex(gram)
        found: Tensor = factor.to(device, torch.float32)
    return found


def _mixed(record: Record) -> Tensor | None:
    """Return weights times values as the model made them, where it has not changed them since."""
    kept = record.mixed
    if kept is None or kept.tensor.shape != (*record.shape[:3], record.value.shape[-1]):
        return None
    return kept.tensor.float() if kept.unchanged else None


def _fused(record: Record) -> Tensor | None:
    """Return weights times values by a kernel that makes no weights, for plain softmax attention.

    Only an encoder layer that runs as one operator comes here: it returns neither of them.
    """
    rule = record.rule
    if not isinstance(rule, MaskedSoftmax) or type(rule) is not MaskedSoftmax:
        return None  # others change their scores
    if rule.window != (-1, -1) or rule.causal:
        return None
    if record.key.shape[1] != record.heads or record.value.shape[1] != record.heads:
        return None
    return functional.scaled_dot_product_attention(
        rule.query.float(),
        rule.key.float(),
        record.value.float(),
        rule.mask if rule.mask is None or rule.mask.dtype == torch.bool else rule.mask.float(),
        scale=rule.scale,
    )


def _weighted(record: Record) -> Tensor:
    """Return weights times values, some sentences at a time."""
    sentences, heads, queries, keys = record.shape
    many = max(1, CACHED_ELEMENTS // max(1, heads * queries * keys))
    step = max(1, min(queries, CACHED_ELEMENTS // max(1, heads * keys)))
    found = []
    for first in range(0, sentences, many):
        chosen = Selection(sentences=slice(first, first + many))
        value = chosen.of_keys(record.value, heads=heads).float()
        blocks = [
            record.weights(chosen.sentences, rows=slice(row, row + step)) @ value
            for row in range(0, queries, step)
        ]
        found.append(torch.cat(blocks, dim=2))
    return torch.cat(found)


def _is_projected(record: Record, mixed: Tensor, reads: Tensor) -> bool:
    """Return whether what W_O was given is weights times values, one head after the other.

    A gate or a norm between them changes how much there is of each head.
    """
    given = record.projected
    if given is None:  # the operator contains both
        return True
    if given.tensor.is_nested or given.tensor.shape[-1] != record.heads * mixed.shape[-1]:
        return False
    if not given.unchanged or given.tensor.numel() != mixed.numel():
        return False
    arrived = given.tensor.float().reshape(-1, record.heads, mixed.shape[-1])
    # Vector by vector first: one norm over scattered places takes ten times as long.
    arrived = torch.linalg.vector_norm(_norm(arrived), dim=0)
    left = torch.linalg.vector_norm(reads, dim=(0, 2))
    return torch.allclose(arrived, left, rtol=_SAME_ENERGY, atol=1e-30, equal_nan=True)


def _norm(vectors: Tensor) -> Tensor:
    found: Tensor = torch.linalg.vector_norm(vectors.float(), dim=-1)
    return found
