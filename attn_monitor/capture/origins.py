"""Which entry of the batch every activation belongs to: codes that travel beside the tensors.

A code names a tensor of the batch and up to three of its coordinates: (which, row, column, depth).
Every operator that moves data moves the codes with it, so that joined, sorted, flipped and
interleaved rows are known for what they are; whatever mixes entries leaves the coordinates that
all of them share. Codes are as small as what they say: axes along which they repeat have stride 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from attn_monitor.capture.notes import ORIGIN, write_note

_BITS: Final = (18, 18, 18, 7)  # depth, column, row, which tensor; from the lowest bit
_SHIFTS: Final = tuple(sum(_BITS[:at]) for at in range(len(_BITS)))
MIXED: Final = tuple((1 << bits) - 1 for bits in _BITS)
ALL_MIXED: Final = sum(most << shift for most, shift in zip(MIXED, _SHIFTS, strict=True))
_COORDINATES: Final = 3
MOST_SEEDS: Final = MIXED[3] - 1
NOTHING: Final = 0


@dataclass(slots=True, kw_only=True)  # never changed; frozen ones take thrice as long to make
class Origin:
    """What is known about a tensor's entries.

    Attributes:
        code: Same shape as the tensor; 0 where nothing of the batch went in.
        learned: Parameters went in: what is picked by it may be another thing tomorrow.
        passed: Numbers of the attention calls that its tokens asked in.
        joined: The same of each piece, where unlike ones were joined: a cache, and what is new.
    """

    code: Tensor | None = None
    learned: bool = False
    passed: frozenset[int] = frozenset()
    joined: frozenset[frozenset[int]] = frozenset()


_LEARNED: Final = Origin(learned=True)


def origin_of(tensor: Tensor) -> Origin | None:
    """Return what is known about a tensor."""
    found: Origin | None = getattr(tensor, ORIGIN, None)
    if found is None and type(tensor) is torch.nn.Parameter:
        return _LEARNED
    return found


def set_origin(tensor: Tensor, origin: Origin) -> None:
    """Attach what is known."""
    write_note(tensor, ORIGIN, origin)


def seed(tensor: Tensor, number: int) -> None:
    """Say of every entry of a tensor that it is itself: number, and its coordinates."""
    code = torch.full((1,) * tensor.dim(), number << _SHIFTS[3], dtype=torch.int64)
    for at in range(_COORDINATES):
        shift = _SHIFTS[_COORDINATES - 1 - at]
        most = MIXED[_COORDINATES - 1 - at]
        if at >= tensor.dim() or tensor.shape[at] >= most:
            code = code | (most << shift)
            continue
        shape = [1] * tensor.dim()
        shape[at] = tensor.shape[at]
        code = code | (torch.arange(tensor.shape[at]).reshape(shape) << shift)
    code = code.to(tensor.device)
    if code.shape != tensor.shape:
        code = code.expand(tensor.shape)
    set_origin(tensor, Origin(code=code))


def entry_codes(number: int, rows: Tensor, columns: Tensor) -> Tensor:
    """Return codes of entries of a tensor that are known by other means.

    Args:
        number: What codes call the tensor.
        rows: The row of each; -1 for mixed, -2 where nothing of the tensor is in it.
        columns: Likewise; nothing is in an entry unless both say so.
    """
    code = torch.full_like(rows, (number << _SHIFTS[3]) | MIXED[0])
    for values, place in ((rows, 2), (columns, 1)):
        code = code | (torch.where(values < 0, MIXED[place], values) << _SHIFTS[place])
    return torch.where((rows == -2) | (columns == -2), NOTHING, code)  # noqa: PLR2004


def coordinate(code: Tensor, which: int) -> Tensor:
    """Return one field of codes: 0 row, 1 column, 2 depth, 3 the tensor; -1 where mixed."""
    place = _COORDINATES - 1 - which if which < _COORDINATES else _COORDINATES
    found = (code >> _SHIFTS[place]) & MIXED[place]
    return torch.where((code == NOTHING) | (found == MIXED[place]), -1, found)


def compact(code: Tensor) -> Tensor:
    """Return codes without their repetitions."""
    for dim, (size, stride) in enumerate(zip(code.shape, code.stride(), strict=True)):
        if stride == 0 and size > 1:
            code = code.narrow(dim, 0, 1)
    return code


def merged(first: Tensor, second: Tensor) -> Tensor:
    """Return what two operands, entry by entry, make.

    A known coordinate wins over a mixed one, and two different ones are mixed. Of two tensors at
    the same coordinates, ids and a mask over them, the one of the lower number is named.
    """
    first, second = compact(first), compact(second)
    if first.shape != second.shape:
        first, second = torch.broadcast_tensors(first, second)
    if torch.equal(first, second):
        return first.clone()
    result = torch.zeros_like(first)
    torn = torch.zeros_like(first, dtype=torch.bool)
    for shift, most in zip(_SHIFTS[:_COORDINATES], MIXED[:_COORDINATES], strict=True):
        mask = most << shift
        one, other = first & mask, second & mask
        differ = (one != other) & (one != mask) & (other != mask)
        torn |= differ
        result |= torch.where(differ, mask, torch.minimum(one, other))
    mask = MIXED[_COORDINATES] << _SHIFTS[_COORDINATES]
    one, other = first & mask, second & mask
    result |= torch.where(torn & (one != other), mask, torch.minimum(one, other))
    return torch.where(first == NOTHING, second, torch.where(second == NOTHING, first, result))


def of_tokens(code: Tensor) -> Tensor | None:
    """Return what all features of each token share where codes say so; ``None`` where not."""
    if code.dim() and (code.shape[-1] == 1 or (code.stride(-1) == 0 and code.shape[-1] > 1)):
        return code.narrow(-1, 0, 1)
    return None


def reduced(code: Tensor, dims: Iterable[int], *, lenient: bool = False) -> Tensor:
    """Return what the entries along some axes share; those axes get length 1.

    Args:
        code: Codes.
        dims: The axes.
        lenient: As for :func:`merged`, as it is right among the features of one token.
    """
    chosen = sorted({dim % code.dim() for dim in dims})
    small = compact(code)
    long = [dim for dim in chosen if small.shape[dim] > 1]
    if not long:
        return _with_ones(small, code, chosen)
    there = small != NOTHING
    result = torch.zeros_like(small.amax(dim=long, keepdim=True))
    torn = torch.zeros_like(result, dtype=torch.bool)
    for shift, most in zip(_SHIFTS, MIXED, strict=True):
        value = (small >> shift) & most
        known = value != most
        counted = there & known if lenient else there
        low = value.masked_fill(~counted, most).amin(dim=long, keepdim=True)
        high = value.masked_fill(~counted, -1).amax(dim=long, keepdim=True)
        same = (low == high) | (high < 0)
        if lenient and shift == _SHIFTS[_COORDINATES]:
            same |= ~torn
        torn |= ~same
        result |= torch.where(same, low, most) << shift
    result = torch.where(_any(there, long), result, NOTHING)
    return _with_ones(result, code, chosen)


def _any(there: Tensor, dims: Sequence[int]) -> Tensor:
    return there.to(torch.uint8).amax(dim=list(dims), keepdim=True).bool()


def _with_ones(small: Tensor, like: Tensor, dims: Sequence[int]) -> Tensor:
    shape = [1 if dim in dims else size for dim, size in enumerate(like.shape)]
    return small.expand(shape)


def all_mixed(shape: Sequence[int]) -> Tensor:
    """Return codes that say: of the batch, nobody knows which."""
    return torch.full((1,) * len(shape), ALL_MIXED, dtype=torch.int64).expand(tuple(shape))


def forgotten(code: Tensor, other: Tensor) -> Tensor:
    """Return codes without the coordinates in which they differ anywhere from others.

    A coordinate that differs at one place is by chance the same at another: it is known nowhere.
    """
    if torch.equal(code, other):
        return code
    if bool(((code == NOTHING) != (other == NOTHING)).any()):
        return all_mixed(code.shape).clone()
    result = code.clone()
    for shift, most in zip(_SHIFTS, MIXED, strict=True):
        mask = most << shift
        if bool(((code & mask) != (other & mask)).any()):
            result |= mask
    return torch.where(code == NOTHING, NOTHING, result)


def overwrite(target: Tensor, source: Tensor) -> None:
    """Write codes into a part of others, in place; both may have repeated axes."""
    source = source.expand(target.shape) if source.shape != target.shape else source
    repeated = [
        dim
        for dim, (size, stride) in enumerate(zip(target.shape, target.stride(), strict=True))
        if stride == 0 and size > 1
    ]
    if repeated:
        source = reduced(source, repeated, lenient=True)
        target = compact(target)
    target.copy_(source.expand(target.shape))
