"""Joint attention: tokens of several projections that ask and are asked together, in one map.

Such models cut the output apart again and project each kind of token by itself. The map belongs to
the whole, so its records wait until the slices that were projected are all of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from attn_monitor.capture.extending import COPIES
from attn_monitor.capture.operators import operator_name
from attn_monitor.capture.paths import Buffer, Place, place_of, steps_before
from attn_monitor.capture.placed import Placed, Whole
from attn_monitor.capture.record import Record
from attn_monitor.capture.rules import WeightRule
from attn_monitor.capture.selection import Selection
from attn_monitor.core.nouns import PartKind

_FEWEST: Final = 2
_MATRIX, _STACKED = 2, 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joint(WeightRule):
    """Weights over tokens of several projections: one block of keys each, beside each other.

    Attributes:
        blocks: In the order of the tokens; each has all tokens as queries.
    """

    blocks: tuple[Placed, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Sentences, heads, queries, keys."""
        sentences, heads, queries, _ = self.blocks[0].shape
        return sentences, heads, queries, sum(block.shape[-1] for block in self.blocks)

    def weights(self, selection: Selection) -> Tensor:
        """Return the selected rows over all keys."""
        return torch.cat([block.weights(selection) for block in self.blocks], dim=-1)

    def logit_max(self) -> Tensor | None:
        """Return ``None``: the scores were cut in pieces."""
        return None


@dataclass(slots=True, kw_only=True)
class Slices:
    """Parts of a common output that were projected each by itself.

    Attributes:
        whole: All of it.
        first: The part that was projected first, as it was given to its projection.
        inputs: Shapes of what the modules were given that ran then, innermost first.
        elements: How much of the whole was projected so far.
    """

    whole: Whole
    first: tuple[Whole, Tensor, Tensor]
    inputs: list[tuple[int, ...]]
    elements: int = 0

    @property
    def complete(self) -> bool:
        """Whether the parts are all of it."""
        return self.elements >= self.whole.output.numel()


def joined(records: list[Record], whole: Whole) -> list[Record]:
    """Return one record for what was placed per source, where the sources are one row of keys.

    They are if the model laid them beside each other to be weighed, as what a cache holds and what
    is new, or if their tokens, one after the other, are the queries.
    """
    if len(records) < _FEWEST:
        return records
    placed = [record.rule for record in records if isinstance(record.rule, Placed)]
    if len(placed) != len(records):
        return records
    rows, tokens = placed[0].rows, sum(rule.columns.tokens for rule in placed)
    order, before = _laid_side_by_side(whole.path)
    fits = before or rows.tokens == tokens
    if not fits or any(rule.rows != rows for rule in placed) or not order:
        return records
    ordered = sorted(records, key=lambda record: _first_place(record.rule, order))
    rule = Joint(blocks=tuple(r.rule for r in ordered if isinstance(r.rule, Placed)))
    keys = torch.cat([record.key for record in ordered], dim=2)
    values = [r.value.repeat_interleave(r.heads // r.value.shape[1], 1) for r in ordered]
    value = torch.cat(values, dim=2)
    akin = rows.tokens == tokens or any(record.kind == "self" for record in records)
    kind: PartKind = "self" if akin else "cross"
    return [replace(ordered[0], kind=kind, rule=rule, key=keys, value=value)]


def is_joint(records: Sequence[Record]) -> bool:
    """Return whether records are one of joint attention."""
    return len(records) == 1 and isinstance(records[0].rule, Joint)


def _laid_side_by_side(path: Buffer) -> tuple[list[Buffer], bool]:
    """Return the beginnings that lead to a memory, in the order in which they were joined.

    Returns:
        The beginnings, and whether they were joined before anything was multiplied with weights.
    """
    sources = set(path.sources())
    for step, output in steps_before(path):
        parts = step.args[0] if step.args else None
        if isinstance(parts, list):
            buffers = [part.buffer for part in parts if isinstance(part, Place)]
            found = dict.fromkeys(source for b in buffers if b for source in b.sources())
            if found.keys() == sources:
                return list(found), not output.calls
    return [], False


def _first_place(rule: WeightRule, order: Sequence[Buffer]) -> int:
    return order.index(rule.sources[0]) if isinstance(rule, Placed) else len(order)


def uncut(part: Tensor, path: Buffer, last: Whole | None) -> Whole | None:
    """Return the common output that a tensor is some rows of; ``None`` where it is no such part.

    Args:
        part: Rows of an attention output, or a copy of them.
        path: The memory it lies in.
        last: What attention outputs were last put together to.
    """
    if last is None or last.path.calls != path.calls or part.numel() >= last.output.numel():
        return None
    place = place_of(part, path) if path is last.path else _copied(path)
    if place is None or place.buffer is not last.path or place.stride[-1] != 1:
        return None
    shape, stride = list(place.shape), place.stride
    if len(shape) not in {_MATRIX, _STACKED} or last.output.numel() != last.path.size:
        return None
    above = [last.path.size, *stride[:-1]]
    shape = [outer // inner for outer, inner in zip(above, stride, strict=True)]
    differ = sum(one != other for one, other in zip(shape, place.shape, strict=True))
    if math.prod(shape) != last.path.size or differ != 1 or shape[-1] != place.shape[-1]:
        return None
    return Whole(last.path, last.output.as_strided(shape, stride, 0))


def is_copied_part(path: Buffer, last: Whole | None) -> bool:
    """Return whether a memory is a copy of a part of what was last put together."""
    place = _copied(path)
    return (
        last is not None
        and place is not None
        and place.buffer is last.path
        and (path.size < last.path.size)
    )


def _copied(path: Buffer) -> Place | None:
    step = path.steps[0] if len(path.steps) == 1 else None
    source = step.args[0] if step is not None and step.args else None
    copies = step is not None and operator_name(step.operator) in COPIES
    return source if copies and isinstance(source, Place) else None
