"""How tags travel: every operator that is not attention itself passes them on.

Scores stay scores through scaling, masks, softmax, dropout, slices and concatenation; projected
activations stay projected through views, rotary positions and normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from torch import Tensor

from attn_monitor.capture.families.axes import axes_after
from attn_monitor.capture.families.base import observes, observes_the_rest
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.provenance import (
    CONSTANT,
    Attended,
    Constant,
    Lineage,
    Scores,
    Tag,
    new_number,
    set_tag,
    tag_of,
    with_stage,
)
from attn_monitor.capture.tracer import Tracer

_SAME_VALUES: Final = frozenset(
    {
        "_unsafe_view",
        "_reshape_alias",
        "clone",
        "_to_copy",
        "detach",
        "contiguous",
        "reshape",
        "unflatten",
        "values",
        "_nested_tensor_from_tensor_list",
    }
)
_SOFTMAX: Final = frozenset({"_softmax", "_safe_softmax", "_log_softmax"})
# Other squashing functions that models put between scores and values.
_SQUASHING: Final = frozenset({"sigmoid", "relu", "clamp", "clamp_min", "relu_"}) | _SOFTMAX
# How keys are appended to a cache.
_JOINING: Final = frozenset({"cat", "index_copy_", "index_put_", "copy_", "slice_scatter"})
_KEPT_ANCESTORS: Final = 16
_DIVIDING: Final = frozenset({"div", "div_", "mul", "mul_"})
_MATRIX_AXES: Final = 2
_HEAD_AXES: Final = 4


@observes("cos", "sin")
def rotary_tables(_call: OperatorCall, _tracer: Tracer) -> None:
    """Forget the tag: tables of angles are a product of two activations, yet no scores."""


@observes_the_rest
def pass_on(call: OperatorCall, _tracer: Tracer) -> None:
    """Give the results of an operator the most telling tag among its operands."""
    view = _keeps_values(call.operator)
    chosen = _most_telling(call.args)
    if chosen is None:
        if view:
            _name_input(call)
        return
    for output in _tensors(call.result):
        if output.is_floating_point():
            _pass_to(output, chosen, call, view=view)


@dataclass(frozen=True, slots=True)
class _Operand:
    tensor: Tensor
    tag: Tag


def _pass_to(output: Tensor, operand: _Operand, call: OperatorCall, *, view: bool) -> None:
    tag = operand.tag
    if isinstance(tag, Scores):
        passed = _scores_after(tag, operand.tensor, output, call, view=view)
        if passed is not None:
            set_tag(output, passed)
    elif isinstance(tag, Lineage):
        set_tag(output, _lineage_after(tag, operand.tensor, output, call, view=view))
    elif isinstance(tag, Constant):
        tensors = list(_tensors(call.args))
        if all(isinstance(tag_of(t), Constant) for t in tensors):
            set_tag(output, CONSTANT)
    else:
        set_tag(output, tag)


def _scores_after(
    tag: Scores, source: Tensor, output: Tensor, call: OperatorCall, *, view: bool
) -> Scores | None:
    """Return the scores' tag after one operator; ``None`` after a reduction."""
    if output.is_nested:
        state = "weights" if call.name in _SOFTMAX else tag.state
        return replace(tag, shape=None, axes=None, state=state)
    reduced = tag.shape is not None and output.numel() < math.prod(tag.shape)
    if output.dim() < _MATRIX_AXES or (reduced and not view):
        return None
    shape = tuple(output.shape) if output.dim() >= _HEAD_AXES else tag.shape
    axes = axes_after(call, tag.axes, source, output)
    if call.name in _SOFTMAX and tag.state != "weights":
        largest = source.detach().amax(dim=tag.axes or (-2, -1))
        return replace(tag, shape=shape, axes=axes, state="weights", largest=largest)
    state = tag.state
    if call.name in _SQUASHING:
        state = "weights"
    elif call.name == "exp" and state == "scores":
        state = "exponentials"
    elif call.name in _DIVIDING and state == "exponentials" and _by_smaller(call, output):
        state = "weights"
    return replace(tag, shape=shape, axes=axes, state=state)


def _by_smaller(call: OperatorCall, output: Tensor) -> bool:
    """Return whether one operand is smaller than the result, as a sum over keys is."""
    return any(tensor.numel() < output.numel() for tensor in _tensors(call.args))


def _lineage_after(
    tag: Lineage, source: Tensor, output: Tensor, call: OperatorCall, *, view: bool
) -> Lineage | None:
    """Return the lineage after one operator; ``None`` for an input that was computed with."""
    if call.name == "cat" and output.numel() == source.numel():
        return tag  # joined to an empty cache
    if view:
        narrowed = output.numel() < source.numel()
        return replace(tag, stages=with_stage(tag, source)) if narrowed else tag
    if not tag.projected:
        return None
    mixed = any(
        isinstance(other, Lineage) and other.projected and other.projection != tag.projection
        for other in map(tag_of, _tensors(call.args))
    )
    if mixed:
        ancestors = _ancestors_of_joined(call) if call.name in _JOINING else tag.ancestors
        return Lineage(number=new_number(), ancestors=ancestors, projected=True, changed=True)
    if output is source:  # in place: the earlier form is gone
        return replace(tag, number=new_number(), stages=(), changed=True)
    stages = tag.stages if tag.changed else with_stage(tag, source)
    return replace(tag, number=new_number(), stages=stages, changed=True)


def _ancestors_of_joined(call: OperatorCall) -> tuple[int, ...]:
    """Return the ancestors of cached keys and of the new ones beside them, newest first.

    Without the new ones, self-attention with a cache would look like cross-attention.
    """
    tags = [tag_of(tensor) for tensor in reversed(list(_tensors(call.args)))]
    ancestors = (number for tag in tags if isinstance(tag, Lineage) for number in tag.ancestors)
    return tuple(dict.fromkeys(ancestors))[:_KEPT_ANCESTORS]


def _most_telling(args: tuple[object, ...]) -> _Operand | None:
    """Return the operand whose tag says most about the result: scores, then the largest."""
    best: _Operand | None = None
    for tensor in _tensors(args):
        tag = tag_of(tensor)
        if tag is None:
            continue
        if best is None or _tells_more(tensor, tag, best):
            best = _Operand(tensor, tag)
    return best


def _tells_more(tensor: Tensor, tag: Tag, best: _Operand) -> bool:
    larger = tensor.numel() > best.tensor.numel()
    if isinstance(tag, Scores):
        return not isinstance(best.tag, Scores) or larger
    if isinstance(best.tag, Scores):
        return False
    if isinstance(best.tag, Constant):
        return not isinstance(tag, Constant)
    if isinstance(tag, Lineage) and isinstance(best.tag, Lineage):
        return larger
    return isinstance(tag, Attended) and not isinstance(best.tag, Attended) and larger


def _name_input(call: OperatorCall) -> None:
    """Give an untagged tensor and its view the same number: one input seen in several shapes."""
    source, output = call.args[0] if call.args else None, call.result
    if not (isinstance(source, Tensor) and isinstance(output, Tensor)):
        return
    if output.is_floating_point():
        lineage = Lineage(number=new_number())
        set_tag(source, lineage)
        set_tag(output, lineage)


def _tensors(values: object) -> Iterator[Tensor]:
    """Yield the tensors of arguments or results, lists of tensors included."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (tuple, list)):
        for value in values:
            if isinstance(value, (Tensor, list, tuple)):
                yield from _tensors(value)


@cache
def _keeps_values(operator: object) -> bool:
    """Return whether an operator only changes shape, layout or number format."""
    name = str(getattr(operator, "__name__", "")).partition(".")[0]
    alias = operator._schema.returns[0].alias_info  # type: ignore[attr-defined]  # OpOverload
    return name in _SAME_VALUES or (alias is not None and not alias.is_write)
