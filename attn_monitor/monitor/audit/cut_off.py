"""Outputs that a mask has cut off: no numbers, or nothing read of what may be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from attn_monitor.core.mask_audit import MaskCheck
from attn_monitor.monitor.audit.count import spread
from attn_monitor.monitor.audit.intent import Meant
from attn_monitor.monitor.audit.leaks import Reach
from attn_monitor.monitor.audit.watched import per_token

_MOST: Final = 6  # outputs of each sentence that are asked
_FEWEST: Final = 2  # of one sentence: a single one may have its reasons


def undefined(reach: Reach, meant: Meant, output: int) -> MaskCheck | None:
    """Return that outputs at real tokens are no numbers; ``None`` where all are.

    Args:
        reach: The pass.
        meant: The stream that the outputs belong to.
        output: Which of the returned tensors holds them.
    """
    returned, shape = reach.seen.returned, meant.ids.shape
    missing = _missing(returned[output].tensor, meant)
    if missing is None or not bool(missing.any()):
        return None
    at = int(missing.int().argmax())
    first = next(
        (
            r.module
            for r in returned
            if (found := per_token(r.tensor, shape)) is not None and bool(found.isnan().any())
        ),
        returned[output].module,
    )
    return MaskCheck(
        rule="undefined",
        reader=meant.name,
        read=meant.name,
        said_by="",
        pairs=int(meant.real.sum()),
        leaks=int(missing.sum()),
        query=at % shape[1],
        first=first,
    )


def _missing(tensor: Tensor, meant: Meant) -> Tensor | None:
    values = per_token(tensor.detach(), meant.ids.shape)
    return None if values is None else values.isnan().any(2).cpu() & meant.real


def blind(
    reach: Reach, meant: Sequence[Meant], reader: int, read: int, output: int
) -> list[MaskCheck]:
    """Return that sentences have outputs none of which depends on any token that it may read.

    Args:
        reach: The pass.
        meant: The batch's streams.
        reader: The stream that the outputs belong to.
        read: The stream whose tokens they may read.
        output: Which of the returned tensors holds them.
    """
    one, other = meant[reader], meant[read]
    tensor = per_token(reach.seen.returned[output].tensor, one.ids.shape)
    allowed = _allowed(one) if reader == read else one.real[:, :, None] & other.real[:, None, :]
    if tensor is None or (reader == read and not one.forbidden.pairs):
        return []
    # The first token of a sentence or document reads no other if the model looks back alone.
    may = (allowed.tril() if reader == read else allowed).any(2)
    asked = torch.zeros(one.ids.shape[0], dtype=torch.long)
    found = torch.zeros_like(asked)
    for column in spread(may.any(0).nonzero().flatten().tolist(), _MOST):
        where = torch.zeros(one.ids.shape, dtype=torch.bool)
        where[:, column] = may[:, column]
        sizes = reach.of(tensor, where)
        if sizes is None or not any(bool(size.any()) for size in sizes.values()):
            return []  # no gradient comes back, or from nothing
        size = sizes.get(read, torch.zeros(other.ids.shape))
        if not bool(torch.isfinite(size).all()):
            return []
        reads = (size * allowed[:, column]).amax(1) > 0
        asked += where.any(1)
        found += where.any(1) & ~reads
    deaf = (asked >= _FEWEST) & (found == asked)
    if not bool(deaf.any()):
        return []
    return [
        MaskCheck(
            rule="blind",
            reader=one.name,
            read=other.name,
            said_by="",
            pairs=int(asked.sum()),
            leaks=int(found[deaf].sum()),
            first=reach.seen.returned[output].module,
        )
    ]


def unread(reach: Reach, meant: Meant, stream: int, output: int) -> list[MaskCheck]:
    """Return that tokens at the same place of several sentences reach no output but their own.

    Where nobody says that tokens may read what follows them, the last tokens count only if those
    before them are read so.

    Args:
        reach: The pass.
        meant: The stream.
        stream: Its number.
        output: Which of the returned tensors holds its outputs.
    """
    returned = reach.seen.returned[output]
    tensor = per_token(returned.tensor, meant.ids.shape)
    if tensor is None or not (meant.forbidden.pairs or meant.full):
        return []
    allowed = _allowed(meant)
    first = meant.real.int().argmax(1)
    last = meant.ids.shape[1] - 1 - meant.real.flip(1).int().argmax(1)
    for places in (last, first, (first + last) // 2):
        # The last token of a document is read by none that follows it.
        after = allowed if meant.full or places is last else allowed.tril()
        tried, read = _read(reach, tensor, stream, places, after)
        silent = tried & ~read
        if places is last and not meant.full and bool(silent.any()):
            before = (places - 1).clamp_min(0)
            silent &= _read(reach, tensor, stream, before, allowed.triu(1))[1]
        if int(silent.sum()) >= max(_FEWEST, int(tried.sum()) / 2):
            check = MaskCheck(
                rule="unread",
                reader=meant.name,
                read=meant.name,
                said_by=meant.full,
                pairs=int(tried.sum()),
                leaks=int(silent.sum()),
                key=int(places[silent][0]),
                first=returned.module,
            )
            return [check]
    return []


def _read(
    reach: Reach, tensor: Tensor, stream: int, places: Tensor, allowed: Tensor
) -> tuple[Tensor, Tensor]:
    """Return of each sentence's token at a place: may an output depend on it, and does one?"""
    key = torch.nn.functional.one_hot(places, allowed.shape[-1]).bool()
    readers = (allowed & key[:, None, :]).any(2)
    tried = readers.any(1)
    size = (reach.of(tensor, readers) or {}).get(stream) if bool(tried.any()) else None
    if size is None or not bool(torch.isfinite(size).all()):
        return torch.zeros_like(tried), torch.zeros_like(tried)
    return tried, (size > 0)[key]


def _allowed(meant: Meant) -> Tensor:
    """Return which other tokens each token may read, as far as anybody says."""
    real = meant.real
    allowed = real[:, :, None] & real[:, None, :] & ~torch.eye(real.shape[1], dtype=torch.bool)
    for pairs in meant.forbidden.pairs.values():
        allowed = allowed & ~pairs
    return allowed
