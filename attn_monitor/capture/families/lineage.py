"""How tags travel: every operator that is not attention itself passes them on.

Scores stay scores through scaling, masks, softmax, dropout, slices and concatenation; projected
activations stay projected through views, rotary positions and normalisation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from torch import Tensor

from attn_monitor.capture.families.base import observes, observes_the_rest
from attn_monitor.capture.families.token_axes import axes_after
from attn_monitor.capture.operators import OperatorCall, operator_name
from attn_monitor.capture.paths import CARRYING, LINEAR, Buffer, beginning, extended
from attn_monitor.capture.provenance import (
    CONSTANT,
    Ancestor,
    Attended,
    Constant,
    Lineage,
    Scores,
    Tag,
    new_number,
    part_of,
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
_RESHAPING: Final = frozenset({"unsqueeze_", "squeeze_", "transpose_", "t_", "swapaxes_"})
# Other squashing functions that models put between scores and values.
_SQUASHING: Final = frozenset({"sigmoid", "relu", "clamp", "clamp_min", "relu_"})
# Functions that are not linear and make weights of scores without a softmax.
_SHAPING: Final = frozenset({"acos", "pow", "tanh", "gelu", "silu", "elu", "softplus", "square"})
_REDUCING: Final = frozenset(
    {"sum", "mean", "amax", "amin", "max", "min", "prod", "norm", "linalg_vector_norm", "var"}
)
# How keys are appended to a cache.
_JOINING: Final = frozenset({"cat", "index_copy_", "index_put_", "copy_", "slice_scatter"})
_KEPT_ANCESTORS: Final = 16
# How a router puts every token where its expert is.
_PICKING: Final = frozenset({"index", "index_select", "gather"})
# How tokens are made fewer.
_POOLING: Final = frozenset(
    {
        *("avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d"),
        *("max_pool2d_with_indices", "max_pool3d_with_indices", "max_pool2d", "max_pool3d"),
    }
)
# How windows are cut out of tokens.
_CUTTING: Final = frozenset({"constant_pad_nd", "pad", "roll"})
_DIVIDING: Final = frozenset({"div", "div_", "mul", "mul_"})
_MATRIX_AXES: Final = 2
_STACKED: Final = 3
_HEAD_AXES: Final = 4


@observes(
    *("cos", "sin", "new_zeros", "new_empty", "new_empty_strided", "new_full", "new_ones"),
    *("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like"),
)
def nothing_passed(_call: OperatorCall, _tracer: Tracer) -> None:
    """Forget the tag: tables of angles are no scores, and fresh tensors share a shape only."""


@observes_the_rest
def pass_on(call: OperatorCall, tracer: Tracer) -> None:
    """Give the results of an operator the most telling tag among its operands."""
    view = _keeps_values(call.operator)
    if view and _is_another_shape(call):
        return
    chosen = _most_telling(call.args)
    if chosen is None:
        if view:
            _name_input(call)
        return
    name = call.name
    path = _path(call, chosen) if name in LINEAR and _may_carry(name, chosen, call) else None
    if path is not None and path.calls:
        set_tag(call.output, Attended(path.calls, path))
        tracer.attended(path, call.output)
    else:
        for output in _tensors(call.result):
            if output.is_floating_point():
                _pass_to(output, chosen, call, tracer, view=view, path=path)
    if name.endswith("_") and not view:
        _tell_base(call)


def _is_another_shape(call: OperatorCall) -> bool:
    """Pass on the tag of a view of all of a tensor: by far the most frequent operator."""
    source, output = call.args[0] if call.args else None, call.result
    if not (isinstance(source, Tensor) and isinstance(output, Tensor)) or call.name in LINEAR:
        return False
    tag, nested = tag_of(source), source.is_nested or output.is_nested
    whole = isinstance(tag, (Constant, Lineage)) and output.dtype == source.dtype and not nested
    if not (whole and output.is_floating_point() and output.numel() == source.numel()):
        return False
    set_tag(output, tag)
    return True


@dataclass(frozen=True, slots=True)
class _Operand:
    tensor: Tensor
    tag: Tag


def _may_carry(name: str, chosen: _Operand, call: OperatorCall) -> bool:
    """Return whether an operator may carry values on: most are about queries and keys."""
    if name in CARRYING or isinstance(chosen.tag, Attended):
        return True
    by = call.args[1] if len(call.args) > 1 else None
    if name in _DIVIDING:
        masked = isinstance(by, Tensor) and by.dim() > 1 and by.shape[-1] == 1
        return masked or (isinstance(chosen.tag, Scores) and isinstance(by, Tensor))
    return name == "add" and isinstance(by, Tensor) and by.dim() == 1  # a bias


def _path(call: OperatorCall, chosen: _Operand) -> Buffer | None:
    """Return the memory of an operator's result, where values travel through it.

    What was changed after its projection, clamped or normalised, begins where it is first cut.
    """
    followed: dict[int, Buffer] = {}
    activations: set[int] = set()
    weights: set[int] = set()
    for tensor in _tensors(call.args):
        tag = tag_of(tensor)
        if isinstance(tag, Scores):
            weights.add(id(tensor))
        elif isinstance(tag, (Lineage, Attended)):
            if tag.path is not None and tag.path.dtype == tensor.dtype:
                followed[id(tensor)] = tag.path
            elif not (isinstance(tag, Lineage) and tag.untouched):
                activations.add(id(tensor))
    if not followed:
        tag = chosen.tag
        start = None
        if call.name in _CUTTING and isinstance(tag, Lineage) and tag.projected:
            base = chosen.tensor._base
            whole = base is not None and base.dim() == _STACKED
            start = beginning(base if base is not None and whole else chosen.tensor)
        if start is None or not isinstance(tag, Lineage):
            return None
        followed[id(chosen.tensor)] = start
        set_tag(chosen.tensor, replace(tag, path=start))
        activations.discard(id(chosen.tensor))
    return extended(call, followed, activations=activations, weights=weights)


def _tell_base(call: OperatorCall) -> None:
    """Give what was written into a part of a tensor to the whole, which is read later."""
    written = call.args[0] if call.args else None
    base = written._base if isinstance(written, Tensor) else None
    if not isinstance(written, Tensor) or base is None or base.is_nested:
        return
    tag = tag_of(written) if base.is_floating_point() else None
    if isinstance(tag, Scores) and base.dim() >= _MATRIX_AXES:
        shape = tuple(base.shape) if base.dim() >= _HEAD_AXES else None
        axes = tag.axes if base.dim() == written.dim() else None
        set_tag(base, replace(tag, shape=shape, axes=axes))
    elif isinstance(tag, Attended) or (isinstance(tag, Lineage) and tag.path is not None):
        set_tag(base, tag)


def _pass_to(
    output: Tensor,
    operand: _Operand,
    call: OperatorCall,
    tracer: Tracer,
    *,
    view: bool,
    path: Buffer | None,
) -> None:
    tag = operand.tag
    if isinstance(tag, Scores):
        passed = _scores_after(tag, operand.tensor, output, call, view=view)
        if passed is not None:
            set_tag(output, passed)
    elif isinstance(tag, Lineage):
        kept = tag.path if view and call.name not in LINEAR else path
        after = _lineage_after(tag, operand.tensor, output, call, view=view, path=kept)
        if after is not None and call.name in _SOFTMAX:
            after = replace(after, shares=True)
        set_tag(output, after)
    elif isinstance(tag, Constant):
        tensors = list(_tensors(call.args))
        if all(isinstance(tag_of(t), Constant) for t in tensors):
            set_tag(output, CONSTANT)
    elif view and call.name not in LINEAR:
        set_tag(output, tag)
    else:
        tracer.changed(tag, operand.tensor)
        set_tag(output, Attended(tag.calls))


def _scores_after(
    tag: Scores, source: Tensor, output: Tensor, call: OperatorCall, *, view: bool
) -> Scores | None:
    """Return the scores' tag after one operator; ``None`` after a reduction."""
    if output.is_nested:
        state = "weights" if call.name in _SOFTMAX else tag.state
        return replace(tag, shape=None, axes=None, state=state)
    if call.name == "logsumexp":
        return replace(tag, shape=None, axes=None, state="logarithms", normalised=True)
    if output.dim() < _MATRIX_AXES or call.name in _REDUCING:
        return None
    if output.numel() < source.numel() and not view and call.name not in LINEAR:
        return None
    shape = tuple(output.shape) if output.dim() >= _HEAD_AXES else tag.shape
    axes = axes_after(call, tag.axes, source, output)
    if call.name == "cat":
        tag = _joined(tag, call)
    if call.name in _SOFTMAX and tag.state != "weights":
        largest = source.detach().amax(dim=tag.axes or (-2, -1))
        state = "logarithms" if call.name == "_log_softmax" else "weights"
        return replace(
            tag,
            shape=shape,
            axes=axes,
            state=state,
            largest=largest,
            before=source.detach(),
            normalised=True,
        )
    state, normalised = tag.state, tag.normalised
    if call.name in _SQUASHING:
        state = "weights"
    elif call.name == "exp":
        state = "weights" if state == "logarithms" else "exponentials"
    elif call.name in _SHAPING and state == "scores":
        state = "shaped"
    elif call.name in _DIVIDING and state == "exponentials" and _by_smaller(call, output):
        state, normalised = "weights", True
    elif call.name == "sub" and any(
        isinstance(other := tag_of(t), Scores) and other.state == "logarithms"
        for t in _tensors(call.args)
    ):
        state, normalised = "logarithms", True
    return replace(tag, shape=shape, axes=axes, state=state, normalised=normalised)


def _joined(tag: Scores, call: OperatorCall) -> Scores:
    """Return the tag of products laid side by side, before or after their common softmax."""
    tags = [other for t in _tensors(call.args) if isinstance(other := tag_of(t), Scores)]
    others = [
        part for other in tags for part in (other, *other.joined) if part.left is not tag.left
    ]
    return replace(tag, joined=tuple(replace(other, joined=()) for other in others))


def _by_smaller(call: OperatorCall, output: Tensor) -> bool:
    """Return whether one operand is smaller than the result, as a sum over keys is."""
    return any(tensor.numel() < output.numel() for tensor in _tensors(call.args))


def _lineage_after(
    tag: Lineage,
    source: Tensor,
    output: Tensor,
    call: OperatorCall,
    *,
    view: bool,
    path: Buffer | None,
) -> Lineage | None:
    """Return the lineage after one operator; ``None`` for an input that was computed with."""
    if call.name == "cat" and output.numel() == source.numel():
        return replace(tag, path=path)  # joined to an empty cache
    if view:
        return _viewed(tag, source, output, path)
    if not tag.projected:
        return _input_after(tag, source, output, call, path)
    mixed = any(
        isinstance(other, Lineage) and other.projected and other.projection != tag.projection
        for other in map(tag_of, _tensors(call.args))
    )
    if mixed:
        ancestors = _ancestors_of_joined(call) if call.name in _JOINING else tag.ancestors
        number = new_number()
        return Lineage(number=number, ancestors=ancestors, projected=True, changed=True, path=path)
    stages = tag.stages if tag.changed else with_stage(tag, source)
    if output is source:  # in place: the earlier form is gone
        stages = ()
    return replace(tag, number=new_number(), stages=stages, changed=True, path=path)


def _viewed(tag: Lineage, source: Tensor, output: Tensor, path: Buffer | None) -> Lineage:
    """Return the lineage of a view: of the same, or of a part of it."""
    if output.numel() < source.numel():
        stages = with_stage(tag, source)
        return replace(part_of(tag, source, output), stages=stages, path=path)
    return tag if path is tag.path else replace(tag, path=path)


def _input_after(
    tag: Lineage, source: Tensor, output: Tensor, call: OperatorCall, path: Buffer | None
) -> Lineage | None:
    """Return what becomes of an input: the same tokens in another order, or fewer of them."""
    if call.name in _PICKING:
        return replace(tag, path=path) if output.numel() >= source.numel() else None
    pieces = [tag_of(tensor) for tensor in _tensors(call.args)]
    rejoined = call.name == "cat" and all(
        isinstance(piece, Lineage) and piece.number == tag.number for piece in pieces
    )
    if call.name in _POOLING or rejoined:
        return replace(tag, path=path, stretches=(), part=(*tag.part, *output.shape))
    return None


def _ancestors_of_joined(call: OperatorCall) -> tuple[Ancestor, ...]:
    """Return the ancestors of cached keys and of the new ones beside them, newest first.

    Without the new ones, self-attention with a cache would look like cross-attention.
    """
    tags = [tag_of(tensor) for tensor in reversed(list(_tensors(call.args)))]
    ancestors = (one for tag in tags if isinstance(tag, Lineage) for one in tag.ancestors)
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
        if not isinstance(best.tag, Scores):
            return True
        weights, known = tag.state == "weights", best.tag.state == "weights"
        return larger if weights == known else weights and not tensor.numel() < best.tensor.numel()
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
        narrowed = output.numel() < source.numel()
        set_tag(output, part_of(lineage, source, output) if narrowed else lineage)


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
    name = operator_name(operator)
    if name in _RESHAPING:
        return True
    alias = operator._schema.returns[0].alias_info  # type: ignore[attr-defined]  # OpOverload
    return name in _SAME_VALUES or (alias is not None and not alias.is_write)
