"""The fused inference kernels of ``nn.TransformerEncoderLayer`` and ``nn.MultiheadAttention``.

One operator runs the whole layer, so queries, keys and values are projected again here, from the
same input with the same weights, and the check runs the rest of the layer on sampled rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from torch import Tensor
from torch.nn import functional

from attn_monitor.capture.families.base import observes
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.origins import origin_of, reduced, set_origin
from attn_monitor.capture.padding import Padded, mark_width, padded
from attn_monitor.capture.proof import agreement, sample_of, weighted_values
from attn_monitor.capture.record import Record
from attn_monitor.capture.rules import MaskedSoftmax
from attn_monitor.capture.tracer import Observation, Tracer

_SQUARE, _PADDING, _FULL = 0, 1, 2  # the kernels' mask types: [T, T], [B, T], [B, H, T, T]
_MATRIX: Final = 2


@observes("_transformer_encoder_layer_fwd")
def encoder_layer(call: OperatorCall, tracer: Tracer) -> None:
    """Report the self-attention inside a fused encoder layer."""
    tokens = padded(call.tensor("src"))
    mark_width(call.output, tokens.width)
    source = tokens.values
    if call.flag("norm_first"):
        source = functional.layer_norm(
            source,
            source.shape[-1:],
            call.tensor("norm_weight_1"),
            call.tensor("norm_bias_1"),
            call.number("eps", 1e-5),
        )
    heads = _count(call, "num_heads")
    query, key, value = _split(source, call, heads)
    _report(call, tracer, (query, key, value), tokens, check=_LayerCheck(call=call, input=tokens))


@observes("_native_multi_head_attention")
def multihead(call: OperatorCall, tracer: Tracer) -> None:
    """Report the attention of a fused ``nn.MultiheadAttention``; it is always self-attention."""
    tokens = padded(call.tensor("query"))
    mark_width(call.output, tokens.width)
    projected = _split(tokens.values, call, _count(call, "num_head"))
    _report(call, tracer, projected, tokens, check=_ProjectionCheck(call=call))


def _report(
    call: OperatorCall,
    tracer: Tracer,
    projected: tuple[Tensor, Tensor, Tensor],
    tokens: Padded,
    *,
    check: _LayerCheck | _ProjectionCheck,
) -> None:
    query, key, value = projected
    known = origin_of(call.tensor("src" if call.argument("src") is not None else "query"))
    if known is not None and known.code is not None:
        code = reduced(known.code, [-1], lenient=True)[:, None]
        for made in (query, key):
            followed = code.expand(made.shape) if code.shape[2] == made.shape[2] else None
            set_origin(made, replace(known, code=followed))
    mask = tokens.mask() if tokens.lengths is not None else _mask(call, query)
    tracer.attention(
        Observation(
            source=call.name,
            query=query,
            key=key,
            value=value,
            rule=MaskedSoftmax(
                query=query, key=key, scale=1.0 / math.sqrt(query.shape[-1]), mask=mask
            ),
            output=call.output,
            kind="self",
            check=check,
            output_projection=call.tensor("proj_weight").detach().mT,
        )
    )


def _split(source: Tensor, call: OperatorCall, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values ``[sentence, head, token, d_head]``."""
    stacked = functional.linear(
        source.detach(), call.tensor("qkv_weight").detach(), call.tensor("qkv_bias").detach()
    )
    sentences, tokens, width = stacked.shape
    split = stacked.view(sentences, tokens, 3, heads, width // (3 * heads))
    query, key, value = split.permute(2, 0, 3, 1, 4)
    return query, key, value


def _mask(call: OperatorCall, query: Tensor) -> Tensor | None:
    """Return which keys are visible. The kernels read any nonzero mask entry as "hidden"."""
    hidden = call.optional_tensor("mask")
    if hidden is None:
        return None
    visible = ~hidden.bool()
    sentences, _, tokens, _ = query.shape
    if call.argument("mask_type") == _PADDING or (
        visible.dim() == _MATRIX and visible.shape != (tokens, tokens)
    ):
        return visible.view(sentences, 1, 1, tokens)
    if call.argument("mask_type") == _FULL:
        return visible.reshape(sentences, -1, tokens, tokens)
    return visible.reshape(1, 1, tokens, tokens)


def _count(call: OperatorCall, name: str) -> int:
    return int(call.number(name, 1.0))


def _returned(call: OperatorCall, sample: tuple[list[int], list[int]]) -> Tensor:
    sentences, rows = sample
    return padded(call.output).values[sentences][:, rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProjectionCheck:
    """Compares the projected attention output with what the kernel returned."""

    call: OperatorCall

    def __call__(self, record: Record) -> tuple[float | None, bool]:
        sample = sample_of(record)
        mixed = weighted_values(record, sample).transpose(1, 2).flatten(2)
        expected = _project_out(self.call, mixed)
        returned = _returned(self.call, (list(sample.sentences), list(sample.rows)))
        return _agreement_on_tokens(record, expected, returned, sample.sentences, sample.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _LayerCheck:
    """Runs the rest of the encoder layer on sampled rows and compares with its output."""

    call: OperatorCall
    input: Padded

    def __call__(self, record: Record) -> tuple[float | None, bool]:
        sample = sample_of(record)
        sentences, rows = list(sample.sentences), list(sample.rows)
        mixed = weighted_values(record, sample).transpose(1, 2).flatten(2)
        residual = self.input.values[sentences][:, rows].float()
        hidden = residual + _project_out(self.call, mixed)
        first = self.call.flag("norm_first")
        if first:
            hidden = hidden + self._feed_forward(self._norm(hidden, 2))
        else:
            hidden = self._norm(hidden, 1)
            hidden = self._norm(hidden + self._feed_forward(hidden), 2)
        returned = _returned(self.call, (sentences, rows))
        return _agreement_on_tokens(record, hidden, returned, sample.sentences, sample.rows)

    def _norm(self, hidden: Tensor, which: int) -> Tensor:
        weight, bias = (self.call.tensor(f"norm_{part}_{which}").float() for part in _WEIGHTS)
        return functional.layer_norm(
            hidden, hidden.shape[-1:], weight, bias, self.call.number("eps", 1e-5)
        )

    def _feed_forward(self, hidden: Tensor) -> Tensor:
        squash = functional.gelu if self.call.flag("use_gelu") else functional.relu
        weight, bias = (self.call.tensor(f"ffn_{part}_1").float() for part in _WEIGHTS)
        inner = squash(functional.linear(hidden, weight, bias))
        weight, bias = (self.call.tensor(f"ffn_{part}_2").float() for part in _WEIGHTS)
        return functional.linear(inner, weight, bias)


_WEIGHTS: Final = ("weight", "bias")


def _project_out(call: OperatorCall, mixed: Tensor) -> Tensor:
    return functional.linear(
        mixed, call.tensor("proj_weight").float(), call.tensor("proj_bias").float()
    )


def _agreement_on_tokens(
    record: Record,
    expected: Tensor,
    returned: Tensor,
    sentences: tuple[int, ...],
    rows: tuple[int, ...],
) -> tuple[float | None, bool]:
    """Compare where a query sees any key: padded rows are filled with zeros, not computed.

    Rows of NaN are compared, and do not agree.
    """
    valid = record.weights(list(sentences), rows=list(rows)).sum(-1).amax(1) != 0
    return agreement(expected[valid], returned[valid].to(returned.dtype))


@observes("_nested_tensor_from_mask")
def from_mask(call: OperatorCall, _tracer: Tracer) -> None:
    """Remember how wide the batch was before its padding was cut away."""
    mark_width(call.output, call.tensor("t").shape[1])
