"""What a model was fed of a batch: its tokens, or without the first or last, or moved by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import torch
from torch import Tensor

from attn_monitor.monitor.audit.intent import Candidate, Forbidden, Intent, Meant
from attn_monitor.monitor.audit.watched import Watched

How = Literal["whole", "without the last", "without the first", "moved"]
_FEWEST: Final = 3  # columns: two would agree by chance
_MATRIX: Final = 2


def fed(intent: Intent, seen: Watched) -> tuple[Meant, ...]:
    """Return the streams of tokens that a model looked up, with what is forbidden in each.

    Decoders are fed their target without its last token, or moved by one to the right; the batch
    holds the whole.

    Args:
        intent: What is meant for the batch.
        seen: A pass that was asked for the source's tokens, then the candidates'.
    """
    source = intent.source
    if source is None:
        return ()
    looked = {lookup.stream for lookup in seen.lookups}
    others = [x for x in seen.others if x.dim() == _MATRIX and x.shape[0] == len(source.ids)]
    if 0 not in looked:
        how, ids = _found(source.ids, others)
        return (source,) if how is None or ids is None else (_cut(source, how, ids),)
    for at, candidate in enumerate(intent.candidates):
        how, ids = _found(candidate.ids, others)
        if at + 1 in looked:
            how, ids = "whole", candidate.ids
        if how is None or ids is None or not (candidate.differs or intent.decoder):
            continue
        return replace(source, name="source"), _target(candidate, how, ids, intent.decoder)
    return (source,)


def _found(ids: Tensor, others: Sequence[Tensor]) -> tuple[How | None, Tensor | None]:
    """Return how some tokens were looked up, and as what; nothing if they were not."""
    pairs = ((_how(ids, other), other) for other in others)
    return next(((how, other) for how, other in pairs if how is not None), (None, None))


def _how(ids: Tensor, other: Tensor) -> How | None:
    width = ids.shape[1]
    if width <= _FEWEST:
        return None
    if other.shape[1] == width - 1:
        known: tuple[tuple[How, Tensor], ...] = (
            ("without the last", ids[:, :-1]),
            ("without the first", ids[:, 1:]),
        )
        return next((how for how, part in known if _agree(other, part)), None)
    if other.shape == ids.shape and _agree(other[:, 1:], ids[:, :-1]):
        return "moved"
    return None


def _agree(other: Tensor, ids: Tensor) -> bool:
    """Return whether tokens are the same, but for those that are none: labels below 0."""
    some = ids >= 0
    return bool(some.any()) and bool((other == ids.to(other))[some].all())


def _fitted(values: Tensor, how: How) -> Tensor:
    """Return what is known of each column of the batch, of each column that was fed."""
    if how == "without the last":
        return values[:, :-1]
    if how == "without the first":
        return values[:, 1:]
    if how == "moved":
        return torch.cat([values[:, :1], values[:, :-1]], dim=1)
    return values


def _cut(meant: Meant, how: How, ids: Tensor) -> Meant:
    """Return a stream of which the model was fed a part."""
    pairs = meant.forbidden.pairs.items()
    forbidden = Forbidden(
        pairs={rule: _fitted(_fitted(x, how).mT, how).mT for rule, x in pairs},
        said_by=meant.forbidden.said_by,
    )
    return replace(meant, ids=ids, real=_fitted(meant.real, how), forbidden=forbidden)


def _target(candidate: Candidate, how: How, ids: Tensor, decoder: str) -> Meant:
    real = _fitted(candidate.real, how)
    meant = Meant(
        name="target",
        ids=ids,
        real=real,
        padded_by="" if bool(real.all()) else candidate.padded_by,
        forbidden=Forbidden(),
    )
    meant.pad()
    moved = "" if how == "whole" else "the step, which feeds a decoder its targets moved by one"
    if said_by := decoder or candidate.causal or moved:
        later = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).triu(1)
        meant.forbid_future(later, said_by)
    return meant
