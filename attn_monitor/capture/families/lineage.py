"""How tags travel: every operator that is not attention itself passes them on.

Scores stay scores through scaling, masks, softmax, dropout, slices and concatenation; projected
activations stay projected through views, rotary positions and normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from torch import Tensor

from attn_monitor.capture.extending import CARRYING, LINEAR, extended
from attn_monitor.capture.families.base import observes, observes_the_rest
from attn_monitor.capture.families.scores import (
    DIVIDING,
    HEAD_AXES,
    MATRIX_AXES,
    SOFTMAX,
    scores_after,
)
from attn_monitor.capture.operators import OperatorCall, once_per_operator, operator_name
from attn_monitor.capture.paths import Beginning, Buffer, beginning, memory_of
from attn_monitor.capture.provenance import (
    CONSTANT,
    CONSTANT_SHARES,
    Ancestor,
    Attended,
    Constant,
    Lineage,
    Pairs,
    Scores,
    Tag,
    Weighed,
    new_number,
    part_of,
    set_tag,
    tag_of,
    with_stage,
)
from attn_monitor.capture.tensors import tensors_in
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
_RESHAPING: Final = frozenset({"unsqueeze_", "squeeze_", "transpose_", "t_", "swapaxes_"})
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
# How tokens become patches of any length, which are others: as many as the text has.
_GROUPING: Final = frozenset({"scatter_reduce", "segment_reduce"})
# How windows are cut out of tokens.
_CUTTING: Final = frozenset({"constant_pad_nd", "pad", "roll"})
_STACKED: Final = 3


@observes(
    *("cos", "sin", "new_zeros", "new_empty", "new_empty_strided", "new_full", "new_ones"),
    *("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like"),
)
def nothing_passed(_call: OperatorCall, _tracer: Tracer) -> None:
    """Forget the tag: tables of angles are no scores, and fresh tensors share a shape only."""


@observes("argmax", "argmin")
def best_keys(call: OperatorCall, _tracer: Tracer) -> None:
    """Remember of indices that they name the best keys."""
    if isinstance(tag_of(call.tensor("self")), Scores):
        set_tag(call.output, Lineage(number=new_number(), shares=True))


@observes_the_rest
def pass_on(call: OperatorCall, tracer: Tracer) -> None:
    """Give the results of an operator the most telling tag among its operands."""
    view, reshapes = _keeps_values(call.operator)
    if reshapes and _is_another_shape(call):
        return
    chosen = _most_telling(call.args)
    if chosen is None:
        if view:
            _name_input(call)
        return
    name = call.name
    if name in _PICKING and _picks_values(call.args):
        tracer.modules.note_choice()
    path = _path(call, chosen) if name in LINEAR and _may_carry(name, chosen, call) else None
    if path is not None and path.calls:
        set_tag(call.output, Attended(path.calls, path))
        tracer.attended(path, call.output)
    else:
        for output in tensors_in(call.result):
            if output.is_floating_point() or output.is_complex():
                _pass_to(output, chosen, call, tracer, view=view, path=path)
            elif view and isinstance(chosen.tag, Lineage) and chosen.tag.shares:
                set_tag(output, chosen.tag)  # indices of the best keys
    if name.endswith("_") and not view:
        _tell_base(call)


def _picks_values(args: tuple[object, ...]) -> bool:
    """Return whether indices of the best keys pick values."""
    tags = [tag for t in tensors_in(args) if isinstance(tag := tag_of(t), Lineage)]
    return any(tag.projected for tag in tags) and any(
        tag.shares and not tag.projected for tag in tags
    )


def _is_another_shape(call: OperatorCall) -> bool:
    """Pass on the tag of a view of all of a tensor: by far the most frequent operator."""
    source, output = call.args[0] if call.args else None, call.result
    if not (isinstance(source, Tensor) and isinstance(output, Tensor)):
        return False
    tag = tag_of(source)
    if not isinstance(tag, (Constant, Lineage)) or source.is_nested or output.is_nested:
        return False
    whole = output.numel() == source.numel() and output.dtype is source.dtype
    if not (whole and output.is_floating_point()):
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
    if name.removesuffix("_") in DIVIDING:
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
    for tensor in tensors_in(call.args):
        tag = tag_of(tensor)
        if isinstance(tag, Scores):
            weights.add(id(tensor))
        elif isinstance(tag, (Lineage, Attended)):
            path = memory_of(tensor, tag.path)
            if path is not None:
                followed[id(tensor)] = path
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
    if isinstance(tag, Scores) and base.dim() >= MATRIX_AXES:
        shape = tuple(base.shape) if base.dim() >= HEAD_AXES else None
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
        passed = scores_after(tag, operand.tensor, output, call, view=view)
        if passed is not None:
            set_tag(output, passed)
    elif isinstance(tag, Lineage):
        kept = tag.path if view and call.name not in LINEAR else path
        after = _lineage_after(tag, operand.tensor, output, call, view=view, path=kept)
        if after is not None and call.name in SOFTMAX:
            after = replace(after, shares=True)
        set_tag(output, after)
    elif isinstance(tag, Constant):
        tags = [tag_of(tensor) for tensor in tensors_in(call.args)]
        if all(isinstance(tag, Constant) for tag in tags):
            softened = call.name in SOFTMAX or CONSTANT_SHARES in tags
            set_tag(output, CONSTANT_SHARES if softened else CONSTANT)
    elif isinstance(tag, Pairs):
        if output.numel() == operand.tensor.numel():
            set_tag(output, tag)
    elif isinstance(tag, Weighed):
        pass  # what is not added up at once is something else
    elif view and call.name not in LINEAR:
        set_tag(output, tag)
    else:
        tracer.changed(tag, operand.tensor)
        set_tag(output, Attended(tag.calls))


def _lineage_after(
    tag: Lineage,
    source: Tensor,
    output: Tensor,
    call: OperatorCall,
    *,
    view: bool,
    path: Buffer | Beginning | None,
) -> Lineage | None:
    """Return the lineage after one operator; ``None`` for an input that was computed with."""
    if call.name == "cat" and output.numel() == source.numel():
        return replace(tag, path=path)  # joined to an empty cache
    if view:
        return _viewed(tag, source, output, path)
    if call.name.removesuffix("_") in _GROUPING:
        return Lineage(number=new_number())
    if not tag.projected:
        return _input_after(tag, source, output, call, path)
    if _is_mixed(tag, call.args):
        ancestors = _ancestors_of_joined(call) if call.name in _JOINING else tag.ancestors
        number = new_number()
        return Lineage(number=number, ancestors=ancestors, projected=True, changed=True, path=path)
    stages = tag.stages if tag.changed else with_stage(tag, source)
    if output is source:  # in place: the earlier form is gone
        stages = ()
    return Lineage(  # by far the most frequent: `replace` takes thrice as long
        number=new_number(),
        ancestors=tag.ancestors,
        projection=tag.projection,
        projected=True,
        stages=stages,
        changed=True,
        part=tag.part,
        stretches=tag.stretches,
        path=path,
        shares=tag.shares,
    )


def _is_mixed(tag: Lineage, args: tuple[object, ...]) -> bool:
    """Return whether an operand comes of another projection."""
    for tensor in tensors_in(args):
        other = tag_of(tensor)
        if isinstance(other, Lineage) and other.projected and other.projection != tag.projection:
            return True
    return False


def _viewed(
    tag: Lineage, source: Tensor, output: Tensor, path: Buffer | Beginning | None
) -> Lineage:
    """Return the lineage of a view: of the same, or of a part of it."""
    if output.numel() < source.numel():
        stages = with_stage(tag, source)
        return replace(part_of(tag, source, output), stages=stages, path=path)
    return tag if path is tag.path else replace(tag, path=path)


def _input_after(
    tag: Lineage,
    source: Tensor,
    output: Tensor,
    call: OperatorCall,
    path: Buffer | Beginning | None,
) -> Lineage | None:
    """Return what becomes of an input: the same tokens in another order, or fewer of them."""
    if call.name in _PICKING:
        return replace(tag, path=path) if output.numel() >= source.numel() else None
    pieces = [tag_of(tensor) for tensor in tensors_in(call.args)]
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
    tags = [tag_of(tensor) for tensor in reversed(list(tensors_in(call.args)))]
    ancestors = (one for tag in tags if isinstance(tag, Lineage) for one in tag.ancestors)
    return tuple(dict.fromkeys(ancestors))[:_KEPT_ANCESTORS]


def _most_telling(args: tuple[object, ...]) -> _Operand | None:
    """Return the operand whose tag says most about the result: scores, then the largest."""
    best: _Operand | None = None
    for tensor in tensors_in(args):
        tag = tag_of(tensor)
        if tag is None:
            continue
        if best is None or _tells_more(tensor, tag, best):
            best = _Operand(tensor, tag)
    return best


def _tells_more(tensor: Tensor, tag: Tag, best: _Operand) -> bool:
    if isinstance(tag, Constant):
        return False
    larger = tensor.numel() > best.tensor.numel()
    if isinstance(tag, Lineage) and isinstance(best.tag, Lineage):
        return larger  # by far the most frequent
    if isinstance(tag, Scores) and isinstance(best.tag, Scores):
        weights, known = tag.state == "weights", best.tag.state == "weights"
        return larger if weights == known else weights and not tensor.numel() < best.tensor.numel()
    ranks = [
        (isinstance(each, Scores), isinstance(each, (Pairs, Weighed))) for each in (tag, best.tag)
    ]
    if ranks[0] != ranks[1] or any(ranks[0]):
        return ranks[0] > ranks[1]
    if isinstance(best.tag, Constant):
        return True
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


@once_per_operator
def _keeps_values(operator: object) -> tuple[bool, bool]:
    """Return whether an operator only changes shape, layout or number format.

    Returns:
        Whether it does, and whether it makes no copy that values may travel through.
    """
    name = operator_name(operator)
    alias = operator._schema.returns[0].alias_info  # type: ignore[attr-defined]  # OpOverload
    viewing = alias is not None and not alias.is_write
    keeps = viewing or name in _RESHAPING or name in _SAME_VALUES
    return keeps, keeps and name not in LINEAR
