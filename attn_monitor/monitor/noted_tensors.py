"""Tensors, noted before a replay and put back after it."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from attn_monitor.capture.tensors import own_part
from attn_monitor.monitor.states import LARGEST_ARRAY, CannotPutBackError

SMALL: Final = 1 << 16  # bytes of a tensor that is copied before every replay
MOST_COPIED: Final = 1 << 30  # bytes of tensors that are copied before the first replay
_WORD: Final = 8  # bytes that are compared at once


class TensorNote:
    """What a tensor holds, where, and the counter of its changes in place.

    Args:
        tensor: The tensor.
        copied: Whether to copy its numbers now; else :meth:`copy` must be called before an
            operator writes to its storage.

    Attributes:
        written: After :meth:`restore`, whether it was written to, even if nothing changed.
    """

    def __init__(self, tensor: Tensor, *, copied: bool = True) -> None:
        self.written = False
        self._tensor = tensor
        self._here = tensor.detach()  # stays where it is if ``tensor.data`` is set
        self._before: Tensor | None = None
        self._version = None if tensor.is_inference() else tensor._version
        if copied:
            self.copy()

    def copy(self) -> None:
        """Copy the numbers, once."""
        if self._before is None:
            with torch.inference_mode(mode=False), torch.no_grad():
                self._before = self._here.clone()

    def restore(self) -> bool:
        """Put the numbers back where they changed; return whether they had.

        Raises:
            CannotPutBackError: They were written to unannounced, and there is no copy.
        """
        tensor = self._tensor
        elsewhere = not _same_place(tensor, self._here)
        if elsewhere:
            tensor.data = self._here
        counted = self._version is not None and tensor._version != self._version
        if self._before is None:
            if counted and not elsewhere:
                raise CannotPutBackError("was written to unseen")
            moved = elsewhere
        else:
            moved = self._numbers_back(self._before) or elsewhere
        self.written = moved or counted
        if self.written and self._version is not None:
            # A graph that waits for its backward pass sees it as unchanged, which it is.
            torch._C._autograd._unsafe_set_version_counter((tensor,), (self._version,))
        return moved

    def _numbers_back(self, before: Tensor) -> bool:
        tensor = self._tensor
        same_shape = tensor.shape == before.shape and tensor.dtype == before.dtype
        moved = not (same_shape and _same(own_part(tensor.detach()), own_part(before)))
        if moved:
            with torch.inference_mode(mode=tensor.is_inference()), torch.no_grad():
                if same_shape:
                    tensor.detach().copy_(before)
                else:
                    tensor.data = before
        return moved


def _same_place(one: Tensor, other: Tensor) -> bool:
    if one.layout != torch.strided:
        return True
    return (one.data_ptr(), one.shape, one.stride(), one.dtype) == (
        other.data_ptr(),
        other.shape,
        other.stride(),
        other.dtype,
    )


class Tensors:
    """The tensors within reach: some copied, others as soon as an operator is about to write.

    Args:
        fragile: Ids of the large tensors to copy; of others a copy is made when an operator is
            about to write to them. ``None`` to copy all, as far as memory allows.
    """

    def __init__(self, fragile: Set[int] | None) -> None:
        self._fragile = fragile
        self._room = MOST_COPIED
        self._notes: list[tuple[int, TensorNote]] = []
        self._by_storage: dict[int, list[TensorNote]] = {}

    def note(self, tensor: Tensor) -> TensorNote | None:
        """Return a note of a tensor; ``None`` of one that holds no numbers."""
        if tensor.is_meta or is_lazy(tensor):
            return None
        copied = self._copied(tensor, tensor.numel() * tensor.element_size())
        if not copied and not can_be_watched(tensor):
            return None
        note = TensorNote(tensor, copied=copied)
        self._notes.append((id(tensor), note))
        if not copied:
            storage = tensor.untyped_storage().data_ptr()
            self._by_storage.setdefault(storage, []).append(note)
        return note

    def about_to_be_written(self, tensor: Tensor) -> None:
        """Copy what lies in the storage that a tensor is a view of."""
        if self._by_storage and can_be_watched(tensor):
            for note in self._by_storage.get(tensor.untyped_storage().data_ptr(), ()):
                note.copy()

    @property
    def touched(self) -> set[int]:
        """The ids of the tensors that were written to, once they are restored."""
        return {key for key, note in self._notes if note.written}

    def _copied(self, tensor: Tensor, size: int) -> bool:
        """Return whether to copy a tensor before anything is written to it."""
        if not can_be_watched(tensor):
            return size <= LARGEST_ARRAY
        if self._fragile is not None:
            return size <= SMALL or id(tensor) in self._fragile
        self._room -= size
        return self._room >= 0


def can_be_watched(tensor: Tensor) -> bool:
    """Return whether what writes to a tensor can be told by its storage."""
    plain = type(tensor) in {Tensor, nn.Parameter} and tensor.layout == torch.strided
    return plain and not (tensor.is_meta or tensor.is_quantized or tensor.is_nested)


def _same(one: Tensor, other: Tensor) -> bool:
    """Compare bytes, so that NaN equals NaN."""
    if one.layout != torch.strided or not one.is_contiguous() or not other.is_contiguous():
        return bool(torch.equal(one, other))
    if one.is_quantized or one.is_complex():
        return bool(torch.equal(one, other))
    # Flat: an axis of length 1 may have any stride, which a view as other numbers refuses.
    one, other = (tensor.as_strided((tensor.numel(),), (1,)) for tensor in (one, other))
    size = one.element_size() * len(one)
    words = torch.int64 if size % _WORD == 0 and _aligned(one) and _aligned(other) else torch.uint8
    return bool(torch.equal(one.view(words), other.view(words)))


def _aligned(tensor: Tensor) -> bool:
    return tensor.storage_offset() * tensor.element_size() % _WORD == 0
