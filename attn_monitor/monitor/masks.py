"""Which tokens a mask leaves, whichever way round it is written.

Libraries disagree: ``True`` is a real token to Hugging Face and padding to PyTorch. What a mask
means is therefore read off the ids it covers: padding is one id, repeated at an end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

_HIDING: Final = -1e3  # added to scores: whatever is lower hides a key
_SAYS_REAL: Final = re.compile(r"attention_mask|valid|keep|visible|input_mask")
_SAYS_PADDING: Final = re.compile(r"pad")
_IS_MASK: Final = re.compile(r"mask|pad|valid|keep|visible|len")
_OTHER_MASK: Final = re.compile(r"label|loss|special|mlm|global|causal|patch|_id")
_OF_TARGET: Final = re.compile(r"decoder|target|tgt|trg")
_MATRIX: Final = 2


def names_a_mask(name: str, *, target: bool) -> bool:
    """Return whether a field of a batch is called like a mask, or lengths, of source or target."""
    lowered = name.lower()
    if not _IS_MASK.search(lowered) or _OTHER_MASK.search(lowered):
        return False
    return bool(_OF_TARGET.search(lowered)) == target


def is_binary(x: Tensor) -> bool:
    """Return whether a tensor holds two values only, as masks do and sentences do not."""
    if x.dtype == torch.bool:
        return True
    return bool(((x == 0) | (x == 1)).all())


def kept_by(mask: Tensor, ids: Tensor, *, name: str = "") -> Tensor | None:
    """Return which ids are tokens, ``[sentence, token]``; ``None`` where the mask does not say.

    Args:
        mask: Boolean, 0 and 1, or numbers added to scores; one entry per token, or per query and
            key, with or without axes of length 1 between. Or the length of each sentence.
        ids: What it belongs to.
        name: What the batch calls it.
    """
    if mask.dim() == 1:
        return _kept_by_lengths(mask, ids)
    readings = list(_readings(mask, ids))
    if len(readings) == 1:  # hides by what it adds to scores
        keep = readings[0]
        square = mask.dim() == _MATRIX and len(ids) == ids.shape[1]  # of queries and keys, maybe
        whose = bool(keep.any(dim=1).all()) and (not square or _covers_padding(~keep, ids))
        return keep if whose else None
    options = [keep for keep in readings if bool(keep.any(dim=1).all())]
    whole = [keep for keep in options if bool(keep.all())]
    explained = whole or [keep for keep in options if _covers_padding(~keep, ids)]
    if len(explained) == 1:
        return explained[0]
    if not options or not name:
        return None  # it may be anything: what a loss is taken of, segments, a label per token
    lowered = name.lower()
    real, padding = readings
    if _SAYS_PADDING.search(lowered):
        return padding
    return real if _SAYS_REAL.search(lowered) else None


def _kept_by_lengths(lengths: Tensor, ids: Tensor) -> Tensor | None:
    """Return which ids are tokens if these are lengths: one id alone stands behind each."""
    if lengths.shape != ids.shape[:1] or lengths.dtype not in {torch.int64, torch.int32}:
        return None
    if not 1 <= int(lengths.min()) <= int(lengths.max()) <= ids.shape[1]:
        return None
    places = torch.arange(ids.shape[1], device=ids.device)
    keep = places < lengths.to(ids.device)[:, None]
    return keep if _kinds(ids[~keep]) == 1 else None


def _readings(mask: Tensor, ids: Tensor) -> Iterator[Tensor]:
    """Yield what is kept if ``True`` means real, then if it means padding."""
    sentences, width = ids.shape
    if mask.shape[-1:] != (width,) or mask.shape[:1] != (sentences,) or mask.dim() < _MATRIX:
        return
    rows = mask.reshape(sentences, -1, width)
    if mask.dim() > _MATRIX and rows.shape[1] not in {1, width}:
        return
    if rows.is_floating_point() and not is_binary(rows):
        if bool(((rows == 0) | (rows <= _HIDING)).all()):
            yield (rows == 0).any(dim=1)
        return
    if not is_binary(rows):
        return
    flags = rows.bool()
    yield flags.any(dim=1)
    yield (~flags).any(dim=1)


def _covers_padding(hidden: Tensor, ids: Tensor) -> bool:
    """Return whether only one id is hidden, and only at the ends of sentences."""
    if _kinds(ids[hidden]) > 1:
        return False
    leading = hidden.cumprod(dim=1).bool()
    trailing = hidden.flip(1).cumprod(dim=1).flip(1).bool()
    return bool((hidden == (leading | trailing)).all())


def _kinds(ids: Tensor) -> int:
    return int(ids.unique().numel())
