"""Whether the tokens that a model compares stay the same while its weights change.

A layout is found once and holds for all of training. Tokens that a model chooses or sorts by what
it has learned are others at the next step: nothing may be said of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from attn_monitor.capture import Call
from attn_monitor.capture.origins import forgotten
from attn_monitor.capture.sources import UNSURE, Sources
from attn_monitor.monitor.texts import Key

Seeds = Sequence[tuple[str, Tensor]]


def steadied(
    seen: tuple[Sequence[Call], Seeds], other: tuple[Sequence[Call], Seeds]
) -> tuple[tuple[Call, ...], tuple[tuple[str, Tensor], ...], set[Key]]:
    """Return calls and tensors of a batch without what changes with the weights.

    Args:
        seen: The attention calls of a replay, and the tensors that their codes name.
        other: Those of a replay as if the weights were others.

    Returns:
        The calls, the tensors, and which calls know less than before.
    """
    others = {call.key: call.sources for call in other[0]}
    calls, loose = [], set[Key]()
    for call in seen[0]:
        mine, its = call.sources, others.get(call.key)
        if mine is None or its is None or not _alike(mine, its):
            calls.append(call)
            continue
        query, key = forgotten(mine.query, its.query), forgotten(mine.key, its.key)
        if query is not mine.query or key is not mine.key:
            loose.add(call.key)
            call = replace(call, sources=replace(mine, query=query, key=key))  # noqa: PLW2901
        calls.append(call)
    pairs = zip(seen[1], other[1], strict=False)
    seeds = [(name, _certain(ids, also)) for (name, ids), (_, also) in pairs]
    return tuple(calls), (*seeds, *seen[1][len(seeds) :]), loose


def _alike(one: Sources, other: Sources) -> bool:
    return one.query.shape == other.query.shape and one.key.shape == other.key.shape


def _certain(ids: Tensor, also: Tensor) -> Tensor:
    """Return ids; nothing is known where a model that learns puts others in their place."""
    if ids is also or ids.shape != also.shape or ids.is_floating_point() or torch.equal(ids, also):
        return ids
    return torch.where(ids == also, ids, torch.full_like(ids, UNSURE))
