"""Attention written out by hand: a product of activations, a softmax, a product with values.

``torch.matmul``, ``@`` and ``torch.einsum`` all arrive here as one of four matrix products.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, NamedTuple, TypeGuard

import torch
from torch import Tensor

from attn_monitor.capture.extending import multiplied
from attn_monitor.capture.families.base import observes
from attn_monitor.capture.families.layouts import Fold, asks_for, fold_of, head_count, with_heads
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.padding import padded_heads
from attn_monitor.capture.provenance import (
    CONSTANT_SHARES,
    Attended,
    Constant,
    Lineage,
    Pairs,
    Scores,
    Tag,
    kinship,
    new_number,
    projected_from,
    set_tag,
    tag_of,
)
from attn_monitor.capture.rules import ModelWeights
from attn_monitor.capture.tracer import Observation, Tracer
from attn_monitor.core.nouns import PartKind

# Where the first of two factors is among the arguments; the second is the next one.
_FACTORS: Final = {
    "bmm": 0,
    "mm": 0,
    "addmm": 1,
    "baddbmm": 1,
    "matmul": 0,  # whole only for nested tensors, else split into the above
}
# States in which scores may be anything: products are shaped and multiplied in many ways.
_ANYTHING: Final = frozenset({"shaped", "exponentials"})


@observes(*_FACTORS)
def product(call: OperatorCall, tracer: Tracer) -> None:
    """Tell projections, scores and attention apart by what the two factors are."""
    first = _FACTORS[call.name]
    left, right = call.args[first : first + 2]
    if not (isinstance(left, Tensor) and isinstance(right, Tensor)):
        raise TypeError(f"{call.name} got no two tensors to multiply")
    left_tag, right_tag = tag_of(left), tag_of(right)
    if left_tag is CONSTANT_SHARES or right_tag is CONSTANT_SHARES:
        tracer.modules.note_weighing()
    if isinstance(right_tag, Constant):
        _projection(left, right, call.output, tracer)
        tracer.modules.mixtures.add(right, left, call.output)
    elif isinstance(left_tag, Constant):
        _projection(right, left, call.output, tracer)
        tracer.modules.mixtures.add(left, right, call.output)
    elif _are_weights(left_tag) and _are_weights(right_tag):
        composed = replace(left_tag, right=right_tag.right, axes=None, largest=None, composed=True)
        set_tag(call.output, composed)
    elif _multiplies(left_tag, right_tag):
        _weighted(left_tag, left, right, call, tracer, second=False)
    elif _multiplies(right_tag, left_tag):
        _weighted(right_tag, right, left, call, tracer, second=True)
    else:
        if any(isinstance(tag, Lineage) and tag.shares for tag in (left_tag, right_tag)):
            tracer.modules.note_weighing()
        if _unsoftened(left_tag, right_tag) or _unsoftened(right_tag, left_tag):
            tracer.modules.note_linear()
        axes = (left.dim() - 2, left.dim() - 1)
        scores = Scores(left=left, right=right, kind=kinship(left, right), axes=axes)
        set_tag(call.output, scores)
        if scores.kind is None:
            tracer.modules.mixtures.add(left, right, call.output)
            tracer.modules.mixtures.add(right, left, call.output)


@observes("_cdist_forward", "cdist", "_euclidean_dist")
def distance(call: OperatorCall, _tracer: Tracer) -> None:
    """Treat distances between queries and keys as the scores they are."""
    left, right = (tensor for tensor in call.args[:2] if isinstance(tensor, Tensor))
    tag = tag_of(right)
    turned = right.mT
    if tag is not None:
        set_tag(turned, tag)
    axes = (left.dim() - 2, left.dim() - 1)
    scores = Scores(left=left, right=turned, kind=kinship(left, right), axes=axes)
    set_tag(call.output, scores)


def _are_weights(tag: Tag | None) -> TypeGuard[Scores]:
    return isinstance(tag, Scores) and tag.state == "weights"


def _multiplies(tag: Tag | None, other: Tag | None) -> TypeGuard[Scores]:
    """Return whether a factor holds weights, which a softmax made or something in its place."""
    if not isinstance(tag, Scores):
        return False
    if tag.state in _ANYTHING:
        # Anything can be multiplied and shaped; only projected values make attention of it.
        return tag.kind is not None and isinstance(other, Lineage) and other.projected
    return tag.state == "weights"


def _side_by_side(scores: Scores, weights: Tensor, *, second: bool) -> bool:
    """Return whether queries stand side by side in a product, for values that all sentences share.

    Then its rows are heads or sentences.
    """
    contracted, rows = (-2, -1) if second else (-1, -2)
    axes = () if scores.axes is None else [axis - weights.dim() for axis in scores.axes]
    return contracted in axes and rows not in axes


def _unsoftened(tag: Tag | None, other: Tag | None) -> bool:
    """Return whether products of queries and keys weigh values as they are: linear attention."""
    compares = isinstance(tag, Scores) and tag.state == "scores" and tag.kind is not None
    return compares and isinstance(other, Lineage) and other.projected


def _over_channels(value: Tensor, tag: Tag | None, *, second: bool) -> bool:
    """Return whether a product adds up the channels of a projection, not its tokens."""
    axis = -1 if second else -2
    projected = isinstance(tag, Lineage) and tag.path is not None and not value.is_nested
    return projected and value.shape[axis] > 1 and value.stride(axis) == 1


def _weighted(
    scores: Scores,
    weights: Tensor,
    value: Tensor,
    call: OperatorCall,
    tracer: Tracer,
    *,
    second: bool,
) -> None:
    """Tell attention from other products of weights."""
    tag = tag_of(value)
    if scores.composed and isinstance(tag, Attended) and tag.path is not None:
        # Weights times weights times what they were applied to: still one attention.
        path = multiplied(call, value, tag.path, call.output)
        set_tag(call.output, Attended(tag.calls, path))
        if path is not None:
            tracer.attended(path, call.output)
        return
    if not (scores.normalised or value.is_nested) and value.shape[-2 if second else -1] == 1:
        return  # a scorer: one number per head, summed over heads
    if scores.state in _ANYTHING and _over_channels(value, tag, second=second):
        return  # a gate that mixes channels
    made = tag is not None and not (isinstance(tag, Lineage) and tag.untouched)
    if not made and (tracer.has_seen(scores) or _side_by_side(scores, weights, second=second)):
        return  # what relative positions add to the values
    # The product adds up keys, which fixes its orientation.
    views = (weights, value, call.output)
    weights, value_of, mixed = (t.mT for t in views) if second else views
    attend(scores, weights, value_of, tracer, mixed=mixed, call=call, values=value, second=second)


@observes("linear")
def linear(call: OperatorCall, tracer: Tracer) -> None:
    """Treat the projection of a nested tensor, which is not split into a matrix product."""
    _projection(call.tensor("input"), call.tensor("weight").mT, call.output, tracer)


@observes("convolution")
def convolution(call: OperatorCall, tracer: Tracer) -> None:
    """Treat a convolution over activations as the projection it is; 1 x 1 ones may be W_O."""
    weight = call.tensor("weight")
    flat = weight.reshape(weight.shape[0], -1).mT
    _projection(call.tensor("input"), flat, call.output, tracer, rows=False)
    tracer.modules.mixtures.add(weight, call.tensor("input"), call.output)


def _projection(
    source: Tensor, weight: Tensor, output: Tensor, tracer: Tracer, *, rows: bool = True
) -> None:
    """Pass on what a product with a parameter makes of its input.

    Args:
        source: What is projected.
        weight: ``[in, out]``.
        output: The product.
        tracer: Learns of the projection of an attention output.
        rows: The output's last axis holds its channels, unlike that of a convolution.
    """
    tag = tag_of(source)
    if isinstance(tag, Scores):
        # Talking heads: a matrix that mixes heads keeps the number of scores, nothing else does.
        pairs = tag.left.shape[-2] * tag.right.shape[-1]
        smoothed = not rows and output.shape[-2:] == source.shape[-2:]  # a convolution over maps
        mixed = smoothed or source.numel() // weight.shape[-2] % pairs == 0
        if mixed and tag.shape is not None and output.numel() == math.prod(tag.shape):
            set_tag(output, tag)
            return
    if isinstance(tag, Attended):
        tracer.projected(tag, source, weight)
    if isinstance(tag, Pairs) and weight.shape[-1] == 1:
        kind = kinship(tag.left, tag.right)
        set_tag(output, Scores(left=tag.left, right=tag.right, kind=kind, axes=None))
        return
    if not isinstance(tag, (Lineage, Constant)):
        known = isinstance(tag, Scores)
        tag = Lineage(number=tag.number if isinstance(tag, Attended) else new_number())
        if not known:
            set_tag(source, tag)
    followed = output if rows else None
    set_tag(output, projected_from(tag if isinstance(tag, Lineage) else None, followed))


def attend(
    scores: Scores,
    weights: Tensor,
    value: Tensor,
    tracer: Tracer,
    *,
    mixed: Tensor,
    call: OperatorCall,
    values: Tensor,
    second: bool = False,
) -> None:
    """Report an attention call.

    Args:
        scores: Where the weights come from.
        weights: ``[..., query, key]``.
        value: ``[..., key, d_value]``.
        tracer: Takes the report.
        mixed: Their product, a view of what ``call`` returned.
        call: What multiplied them.
        values: Its operand that ``value`` is a view of.
        second: The weights are the second factor of a matrix product.
    """
    weights, value, mixed = map(padded_heads, (weights, value, mixed))
    fold = _fold(scores, weights, tracer)
    if fold is not None:
        weights, mixed, value = fold.weights(weights), fold.weights(mixed), fold.shared(value)
    heads = head_count(weights, scores.shape, tracer.modules, scores.left)
    before = _before(scores, weights, second=second)
    same_layout = mixed.shape[:-1] == weights.shape[:-1]
    weights = with_heads(weights.detach(), heads)
    value = value if fold is not None else with_heads(value, heads)
    pair = _asking(scores, weights, value, heads, fold, second=second)
    largest = scores.largest
    if largest is not None and largest.numel() != weights.shape[0] * heads:
        largest = None
    tracer.attention(
        Observation(
            source="matmul",
            query=pair.query,
            key=pair.key,
            value=value,
            rule=ModelWeights(
                tensor=weights,
                largest_score=None if largest is None else largest.reshape(-1, heads),
                scores=None if before is None else with_heads(before, heads),
            ),
            output=call.output,
            mixed=with_heads(mixed, heads) if same_layout else None,
            kind=pair.kind,
            origins=pair.origins,
            call=call,
            values=values,
            unfinished=scores.state == "exponentials",
        )
    )


def _fold(scores: Scores, weights: Tensor, tracer: Tracer) -> Fold | None:
    """Return how heads that share keys are folded into the rows of weights."""
    if scores.left.is_nested or scores.right.is_nested:
        return None
    left, right = scores.left, scores.right.mT
    pair = (left, right) if asks_for(left, weights) else (right, left)
    return fold_of(weights, scores.shape, tracer.modules, pair)


def _before(scores: Scores, weights: Tensor, *, second: bool) -> Tensor | None:
    """Return what the softmax was given, laid out like the weights that it made."""
    before = scores.before
    if before is None or before.is_nested:
        return None
    before = before.mT if second else before
    if before.shape[-2:] != weights.shape[-2:] or before.numel() != weights.numel():
        return None
    return before.reshape(weights.shape)


def _real(tensor: Tensor) -> Tensor:
    """Return complex channels as twice as many real ones, which have the same products."""
    if not tensor.is_complex():
        return tensor
    return torch.view_as_real(tensor.resolve_conj()).flatten(-2)


class _Pair(NamedTuple):
    query: Tensor
    key: Tensor
    origins: tuple[Tensor, Tensor]
    kind: PartKind | None


def _asking(
    scores: Scores, weights: Tensor, value: Tensor, heads: int, fold: Fold | None, *, second: bool
) -> _Pair:
    """Return the queries and keys that fit these weights.

    Several products may share one softmax; each slice of it belongs to the one with its keys.
    Where none fits, because the scores were cut or banded, both are NaN: not known here.
    """
    sentences, _, queries, keys = weights.shape
    if fold is not None:
        query, key, origins = scores.left, scores.right.mT, (scores.left, scores.right)
        if math.prod(query.shape[:-1]) != sentences * heads * queries:
            query, key, origins = key, query, (scores.right, scores.left)
        return _Pair(fold.asking(query), fold.shared(key), origins, scores.kind)
    for part in (scores, *scores.joined):
        transposed = None if part.axes is None else (part.axes[0] > part.axes[1]) != second
        query, key, origins = part.left, part.right.mT, (part.left, part.right)
        query, key = map(padded_heads, (query, key))
        if transposed is None:  # only unequal lengths can tell whose rows these are
            transposed = query.shape[-2] != queries and key.shape[-2] == queries
        if transposed:
            query, key, origins = key, query, (part.right, part.left)
        query, key = map(_real, (query, key))
        fits = all(
            t.numel() % (sentences * heads * n * t.shape[-1]) == 0 and t.shape[-2] == n
            for t, n in ((query, queries), (key, keys))
        )
        if fits and query.shape[:-2] == key.shape[:-2] and query.dim() <= weights.dim():
            query, key = with_heads(query, heads), with_heads(key, heads)
            if query.shape[0] == sentences:
                return _Pair(query, key, origins, part.kind)
    origins = (scores.left, scores.right)
    unknown = weights.new_full((sentences, heads, 1, value.shape[-1]), torch.nan)
    return _Pair(
        unknown.expand(-1, -1, queries, -1), unknown.expand(-1, -1, keys, -1), origins, scores.kind
    )
