"""Attention written out by hand: a product of activations, a softmax, a product with values.

``torch.matmul``, ``@`` and ``torch.einsum`` all arrive here as one of four matrix products.
"""

from __future__ import annotations

import math
from typing import Final

from torch import Tensor

from attn_monitor.capture.families.base import observes
from attn_monitor.capture.families.layouts import head_count, with_heads
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.padding import padded_heads
from attn_monitor.capture.provenance import (
    Attended,
    Constant,
    Lineage,
    Scores,
    kinship,
    new_number,
    projected_from,
    set_tag,
    tag_of,
)
from attn_monitor.capture.rules import ModelWeights
from attn_monitor.capture.tracer import Observation, Tracer

_FACTORS: Final = {
    "bmm": ("self", "mat2"),
    "mm": ("self", "mat2"),
    "addmm": ("mat1", "mat2"),
    "baddbmm": ("batch1", "batch2"),
    "matmul": ("self", "other"),  # whole only for nested tensors, else split into the above
}


@observes(*_FACTORS)
def product(call: OperatorCall, tracer: Tracer) -> None:
    """Tell projections, scores and attention apart by what the two factors are."""
    left, right = (call.tensor(name) for name in _FACTORS[call.name])
    left_tag, right_tag = tag_of(left), tag_of(right)
    if isinstance(right_tag, Constant):
        _projection(left, right, call.output, tracer)
    elif isinstance(left_tag, Constant):
        _projection(right, left, call.output, tracer)
    elif isinstance(left_tag, Scores) and left_tag.state == "weights":
        _attention(left_tag, left, right, call.output, tracer, second=False)
    elif isinstance(right_tag, Scores) and right_tag.state == "weights":
        _attention(right_tag, right, left, call.output, tracer, second=True)
    else:
        axes = (left.dim() - 2, left.dim() - 1)
        scores = Scores(left=left, right=right, kind=kinship(left, right), axes=axes)
        set_tag(call.output, scores)


@observes("linear")
def linear(call: OperatorCall, tracer: Tracer) -> None:
    """Treat the projection of a nested tensor, which is not split into a matrix product."""
    _projection(call.tensor("input"), call.tensor("weight").mT, call.output, tracer)


@observes("convolution")
def convolution(call: OperatorCall, tracer: Tracer) -> None:
    """Treat a convolution over activations as the projection it is; 1 x 1 ones may be W_O."""
    weight = call.tensor("weight")
    flat = weight.reshape(weight.shape[0], -1).mT
    _projection(call.tensor("input"), flat, call.output, tracer)


def _projection(source: Tensor, weight: Tensor, output: Tensor, tracer: Tracer) -> None:
    """Pass on what a product with a parameter makes of its input."""
    tag = tag_of(source)
    if isinstance(tag, Scores):
        # Talking heads: a matrix that mixes heads keeps the number of scores, nothing else does.
        if tag.shape is not None and output.numel() == math.prod(tag.shape):
            set_tag(output, tag)
        return
    if isinstance(tag, Attended):
        tracer.projected(tag, weight)
    if not isinstance(tag, (Lineage, Constant)):
        tag = Lineage(number=new_number())
        set_tag(source, tag)
    set_tag(output, projected_from(tag if isinstance(tag, Lineage) else None))


def _attention(
    scores: Scores, weights: Tensor, value: Tensor, output: Tensor, tracer: Tracer, *, second: bool
) -> None:
    """Report an attention call.

    Args:
        scores: Where the weights come from.
        weights: The factor that went through a softmax. The product contracts keys, which fixes
            its orientation: ``[..., query, key]``, transposed where it is the second factor.
        value: The other factor.
        output: Their product.
        tracer: Takes the report.
        second: The weights are the second factor.
    """
    transposed = None
    if scores.axes is not None:
        transposed = (scores.axes[0] > scores.axes[1]) != second
    weights, value = (weights.mT, value.mT) if second else (weights, value)
    query, key, origins = scores.left, scores.right.mT, (scores.left, scores.right)
    query, key, weights, value = map(padded_heads, (query, key, weights, value))
    if transposed is None:  # only unequal lengths can tell whose rows these are
        transposed = query.shape[-2] != weights.shape[-2] and key.shape[-2] == weights.shape[-2]
    if transposed:
        query, key, origins = key, query, (scores.right, scores.left)
    heads = head_count(weights, scores.shape, tracer.modules)
    largest = scores.largest
    tracer.attention(
        Observation(
            source="matmul",
            query=with_heads(query, heads),
            key=with_heads(key, heads),
            value=with_heads(value, heads),
            rule=ModelWeights(
                tensor=with_heads(weights.detach(), heads),
                largest_score=None if largest is None else largest.reshape(-1, heads),
            ),
            output=output,
            kind=scores.kind,
            origins=origins,
        )
    )
