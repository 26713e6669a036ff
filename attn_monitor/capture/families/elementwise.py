"""Attention without matrix products: every pair side by side, multiplied and added up.

Scores are sums over the channels of ``query * key`` (or of what a function makes of
``query - key``, or a projection to one channel does of ``query + key``); what arrives at a query is
the sum over its keys of ``weights * values``.
"""

from __future__ import annotations

from typing import Final

from torch import Tensor

from attn_monitor.capture.families.base import observes
from attn_monitor.capture.families.eager import attend
from attn_monitor.capture.families.lineage import pass_on
from attn_monitor.capture.lessons import Looking
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.provenance import (
    Lineage,
    Pairs,
    Scores,
    Weighed,
    kinship,
    set_tag,
    tag_of,
)
from attn_monitor.capture.tracer import Tracer

_FEWEST_AXES: Final = 3
_TWO: Final = 2


@observes("mul", "mul_", "sub", "add")
def combined(call: OperatorCall, tracer: Tracer) -> None:
    """Notice that every query meets every key, or that weights meet the values of their keys."""
    operands = [arg for arg in call.args if isinstance(arg, Tensor) and not arg.is_nested]
    first, second = operands if len(operands) == _TWO else (call.output, None)
    if second is None or not first.dim() == second.dim() >= _FEWEST_AXES:
        pass_on(call, tracer)
        if second is not None and call.name.startswith("mul"):
            tracer.modules.mixtures.weigh(first, second, call.output)
        return
    larger = max(first.numel(), second.numel()) < call.output.numel()
    if larger and _set_pairs(call, tracer):
        return
    pass_on(call, tracer)
    if call.name.startswith("mul"):
        tracer.modules.mixtures.weigh(first, second, call.output)
        _weigh(call, first, second, tracer)


@observes("exp", "exp2", "sigmoid", "softplus")
def made_positive(call: OperatorCall, tracer: Tracer) -> None:
    """Notice what may weigh values channel by channel, as an attention-free transformer's keys."""
    pass_on(call, tracer)
    tracer.modules.mixtures.add_positive(call.output)


@observes("div", "div_", "reciprocal")
def divided(call: OperatorCall, tracer: Tracer) -> None:
    """Notice a quotient of two mixtures by one matrix, or of two sums with the same weights."""
    divisor = call.args[0] if call.name == "reciprocal" else call.args[1:2] and call.args[1]
    if isinstance(divisor, Tensor) and tracer.modules.mixtures.divide(divisor):
        tracer.modules.note_channelwise()
    pass_on(call, tracer)


@observes("cumsum")
def running_sum(call: OperatorCall, tracer: Tracer) -> None:
    """Notice running sums, which a causal attention-free transformer divides by each other."""
    tracer.modules.mixtures.add_up(call.tensor("self"), call.argument("dim"))
    pass_on(call, tracer)


@observes("sum", "mean")
def added_up(call: OperatorCall, tracer: Tracer) -> None:
    """Treat sums over channels as scores, and sums over keys as attention."""
    source = call.args[0] if call.args else None
    axes, keeps = call.argument("dim"), call.flag("keepdim")
    single = isinstance(axes, (list, tuple)) and len(axes) == 1
    tag = tag_of(source) if isinstance(source, Tensor) else None
    if not (single and isinstance(source, Tensor) and isinstance(tag, (Pairs, Weighed))):
        if isinstance(source, Tensor):
            tracer.modules.mixtures.add_up(source, axes)
        pass_on(call, tracer)
        return
    axis = int(axes[0]) % source.dim()  # type: ignore[index]  # one number, as just seen
    if isinstance(tag, Pairs):
        if axis == source.dim() - 1 and not keeps:
            set_tag(call.output, scores_of(tag))
    elif call.name == "sum" and tag.weights.shape[axis] > 1 and axis < source.dim() - 1:
        _attended(tag, axis, call.output, tracer, keeps=keeps)


def scores_of(pairs: Pairs) -> Scores:
    """Return what a sum over the channels of pairs makes of them."""
    kind = kinship(pairs.left, pairs.right)
    return Scores(left=pairs.left, right=pairs.right, kind=kind, axes=pairs.axes)


def weighed_sum(weights: Tensor, values: Tensor, axis: int, keeps: bool) -> Tensor:
    """Return the sum over the keys of weights times values."""
    return (weights * values).sum(axis, keepdim=keeps)


def _set_pairs(call: OperatorCall, tracer: Tracer) -> bool:
    """Tag all queries beside all keys; return whether these are."""
    operands = [arg for arg in call.args[:2] if isinstance(arg, Tensor)]
    shapes = [tensor.shape for tensor in operands]
    if shapes[0][-1] != shapes[1][-1] or shapes[0][-1] == 1:
        return False
    along = [
        [at for at, (one, other) in enumerate(zip(mine, its, strict=True)) if one > other == 1]
        for mine, its in (shapes, reversed(shapes))
    ]
    if [len(axes) for axes in along] != [1, 1]:
        return False
    tags = [tag_of(tensor) for tensor in operands]
    projected = all(isinstance(tag, Lineage) and tag.projected for tag in tags)
    if not projected and not isinstance(tracer.lessons, Looking):
        return False
    own = [axes[0] for axes in along]
    order = (0, 1) if own[0] < own[1] else (1, 0)
    sides = []
    for at in order:
        side = operands[at].squeeze(own[1 - at])
        side = side.movedim(own[at] - (own[at] > own[1 - at]), -2)
        set_tag(side, tags[at])
        sides.append(side)
    right = sides[1].mT
    set_tag(right, tags[order[1]])
    axes = own[order[0]], own[order[1]]
    set_tag(call.output, Pairs(left=sides[0], right=right, axes=axes))
    return True


def _weigh(call: OperatorCall, first: Tensor, second: Tensor, tracer: Tracer) -> None:
    """Tag weights times values, which a sum over keys makes attention of."""
    for weights, values in ((first, second), (second, first)):
        scores, tag = tag_of(weights), tag_of(values)
        if not isinstance(scores, Scores) or scores.state != "weights" or isinstance(tag, Scores):
            continue
        projected = isinstance(tag, Lineage) and tag.projected
        if not projected and not isinstance(tracer.lessons, Looking):
            continue
        if scores.normalised and scores.left.shape[-2] == scores.right.shape[-1] == 1:
            _one_key(scores, weights, values, call, tracer)
            return
        if weights.shape[-1] == 1 < values.shape[-1]:
            weighed = Weighed(scores=scores, weights=weights, values=values)
            set_tag(call.output, weighed)


def _one_key(
    scores: Scores, weights: Tensor, values: Tensor, call: OperatorCall, tracer: Tracer
) -> None:
    """Report the attention of one query to one key, which is a product without a sum."""
    outer = weights.shape[:-2]
    if weights.numel() != outer.numel() or values.numel() != call.output.numel():
        return
    value, mixed = (t.reshape(*outer, 1, -1) for t in (values, call.output))
    set_tag(value, tag_of(values))
    weights = weights.reshape(*outer, 1, 1)
    attend(scores, weights, value, tracer, mixed=mixed, call=call, values=values)


def _attended(tag: Weighed, axis: int, output: Tensor, tracer: Tracer, *, keeps: bool) -> None:
    """Report weights times values, added up over an axis."""
    weights, values = tag.weights.squeeze(-1), tag.values
    asking = [
        at
        for at, (one, other) in enumerate(zip(weights.shape, values.shape, strict=False))
        if one > other == 1 and at != axis
    ]
    mixed = output.squeeze(axis) if keeps else output
    if len(asking) == 1:
        query = asking[0]
        weights = weights.movedim((query, axis), (-2, -1))
        keys = axis - (query < axis)
        value = values.squeeze(query).movedim(keys, -2)
        mixed = mixed.movedim(query - (axis < query), -2)
    else:  # every query has keys of its own
        weights = weights.movedim(axis, -1).unsqueeze(-2)
        value, mixed = values.movedim(axis, -2), mixed.unsqueeze(-2)
    set_tag(value, tag_of(values))
    args = (tag.weights, tag.values, axis, keeps)
    call = OperatorCall(weighed_sum, args, {}, output)
    attend(tag.scores, weights, value, tracer, mixed=mixed, call=call, values=tag.values)
