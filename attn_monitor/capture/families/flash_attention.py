"""The flash-attn family: kernels on ``[sentence, token, head, d_head]`` or packed sentences.

Covers the package's own operators, kernels with its calling convention (through
:mod:`attn_monitor.capture.kernels`), and the packed kernels PyTorch runs jagged tensors with on a
GPU. Only the calling convention has been run here, with a stand-in kernel; what needs a GPU is
written from schemas.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from attn_monitor.capture.families.base import observes
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.proof import ValueCheck
from attn_monitor.capture.record import Record
from attn_monitor.capture.rules import MaskedSoftmax
from attn_monitor.capture.selection import Selection
from attn_monitor.capture.tracer import Observation, Tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashSoftmax(MaskedSoftmax):
    """Softmax attention with the options of flash-attn.

    Attributes:
        soft_cap: Scores are squashed to ``±soft_cap`` by a tanh; 0 for none.
        slopes: ALiBi slopes per head, ``[head]`` or ``[sentence, head]``: a score loses
            ``slope * distance``.
    """

    soft_cap: float = 0.0
    slopes: Tensor | None = None

    def adjusted(self, products: Tensor, selection: Selection) -> Tensor:
        """Apply the soft cap, the ALiBi bias, and what the base class hides."""
        if self.soft_cap:
            products = products.div_(self.soft_cap).tanh_().mul_(self.soft_cap)
        if self.slopes is not None:
            own = selection.row_numbers(self.query.shape[2], products.device) + self.diagonal
            keys = torch.arange(self.key.shape[2], device=products.device)
            distance = (own[:, None] - keys[None]).abs()
            slopes = self.slopes.expand(self.query.shape[:2])[..., None, None]
            heads = Selection(sentences=selection.sentences, heads=selection.heads)
            products = products.sub_(heads.of_queries(slopes) * distance)
        return MaskedSoftmax.adjusted(self, products, selection)


@observes("_flash_attn_forward")
def flash(call: OperatorCall, tracer: Tracer) -> None:
    """Report a call on whole sentences, ``q, k, v`` of ``[sentence, token, head, d_head]``."""
    query, key, value = (call.tensor(name).transpose(1, 2) for name in ("q", "k", "v"))
    _report(call, tracer, (query, key, value), mask=None, restore=lambda t: t.transpose(1, 2))


@observes("_flash_attn_varlen_forward")
def varlen(call: OperatorCall, tracer: Tracer) -> None:
    """Report a call on sentences laid end to end, ``q, k, v`` of ``[token, head, d_head]``."""
    query_ends, key_ends = call.tensor("cu_seqlens_q"), call.tensor("cu_seqlens_k")
    _report_packed(call, tracer, ("q", "k", "v"), query_ends, key_ends)


@observes("_flash_attention_forward", "_efficient_attention_forward")
def packed_kernel(call: OperatorCall, tracer: Tracer) -> None:
    """Report PyTorch's own packed kernels, used for jagged tensors on a GPU; not run here."""
    ends = ("cum_seq_q", "cum_seq_k")
    if call.name == "_efficient_attention_forward":
        ends = ("cu_seqlens_q", "cu_seqlens_k")
    query_ends, key_ends = map(call.optional_tensor, ends)
    names = ("query", "key", "value")
    if query_ends is None or key_ends is None:
        query, key, value = (call.tensor(name).transpose(1, 2) for name in names)
        _report(call, tracer, (query, key, value), mask=None, restore=lambda t: t.transpose(1, 2))
    else:
        _report_packed(call, tracer, names, query_ends, key_ends)


def _report_packed(
    call: OperatorCall,
    tracer: Tracer,
    names: tuple[str, str, str],
    query_ends: Tensor,
    key_ends: Tensor,
) -> None:
    query, key, value = (
        unpacked(call.tensor(name), ends)
        for name, ends in zip(names, (query_ends, key_ends, key_ends), strict=True)
    )
    rows, keys = query_ends.diff(), key_ends.diff()
    own = torch.arange(query.shape[2], device=query.device)
    other = torch.arange(key.shape[2], device=query.device)
    visible = (own[None] < rows[:, None])[:, :, None] & (other[None] < keys[:, None])[:, None]
    if _causal(call):  # each sentence has its own last key, so the rule is part of the mask
        own_key = own[None] + (keys - rows)[:, None]
        visible &= other[None, None] <= own_key[:, :, None]
    _report(
        call,
        tracer,
        (query, key, value),
        mask=visible[:, None],
        restore=lambda t: unpacked(t, query_ends),
    )


def unpacked(packed: Tensor, ends: Tensor) -> Tensor:
    """Return ``[sentence, head, token, d]`` with zeros in the padding.

    Args:
        packed: ``[token, head, d]``, or the same with a leading axis of 1.
        ends: Where each sentence begins and ends, ``[sentence + 1]``.
    """
    flat = packed.reshape(-1, *packed.shape[-2:])
    pieces = flat.split(ends.diff().tolist())
    return torch.nn.utils.rnn.pad_sequence(list(pieces), batch_first=True).transpose(1, 2)


def _report(
    call: OperatorCall,
    tracer: Tracer,
    projected: tuple[Tensor, Tensor, Tensor],
    *,
    mask: Tensor | None,
    restore: Callable[[Tensor], Tensor],
) -> None:
    query, key, value = (tensor.detach() for tensor in projected)
    default = 1.0 / math.sqrt(query.shape[-1])
    tracer.attention(
        Observation(
            source=call.name,
            query=query,
            key=key,
            value=value,
            rule=FlashSoftmax(
                query=query,
                key=key,
                scale=call.number("softmax_scale", call.number("scale", default)),
                mask=mask,
                causal=_causal(call) and mask is None,
                diagonal=key.shape[2] - query.shape[2] if mask is None else 0,
                window=_window(call),
                soft_cap=call.number("softcap", 0.0),
                slopes=call.optional_tensor("alibi_slopes"),
            ),
            output=call.output,
            mixed=restore(call.output) if mask is None else None,
            check=_LaterCheck(output=call.output, restore=restore),
            origins=(projected[0], projected[1]),
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _LaterCheck:
    """Brings the kernel's output to the usual layout only if it is checked at all."""

    output: Tensor
    restore: Callable[[Tensor], Tensor]

    def __call__(self, record: Record) -> tuple[float | None, bool]:
        return ValueCheck(output=self.restore(self.output))(record)


def _causal(call: OperatorCall) -> bool:
    return any(call.flag(name) for name in ("causal", "is_causal", "custom_mask_type"))


def _window(call: OperatorCall) -> tuple[int, int]:
    """Return how far a query sees to the left and to the right, -1 for no limit."""
    window = call.argument("window_size")
    if isinstance(window, (tuple, list)):
        left, right = window
        return int(left), int(right)
    return (
        int(call.number("window_size_left", -1.0)),
        int(call.number("window_size_right", -1.0)),
    )
