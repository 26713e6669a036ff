"""What becomes of a product of queries and keys on its way to the attention weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from torch import Tensor

from attn_monitor.capture.extending import LINEAR
from attn_monitor.capture.families.token_axes import axes_after
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.provenance import Scores, tag_of
from attn_monitor.capture.tensors import tensors_in

SOFTMAX: Final = frozenset({"_softmax", "_safe_softmax", "_log_softmax"})
DIVIDING: Final = frozenset({"div", "mul"})
# Other squashing functions that models put between scores and values.
_SQUASHING: Final = frozenset({"sigmoid", "relu", "clamp", "clamp_min"})
# Functions that are not linear and make weights of scores without a softmax.
_SHAPING: Final = frozenset({"acos", "pow", "tanh", "gelu", "silu", "elu", "softplus", "square"})
_RAISING: Final = frozenset({"exp", "exp2"})
_REDUCING: Final = frozenset(
    {"sum", "mean", "amax", "amin", "max", "min", "prod", "norm", "linalg_vector_norm", "var"}
)
# What keeps the best keys of every query.
_CHOOSING: Final = frozenset({"topk", "sort"})
MATRIX_AXES: Final = 2
HEAD_AXES: Final = 4


def scores_after(
    tag: Scores, source: Tensor, output: Tensor, call: OperatorCall, *, view: bool
) -> Scores | None:
    """Return the scores' tag after one operator; ``None`` after a reduction."""
    name = call.name.removesuffix("_")  # in place or not
    if output.is_nested:
        state = "weights" if name in SOFTMAX else tag.state
        return replace(tag, shape=None, axes=None, state=state)
    if name == "logsumexp":
        return replace(tag, shape=None, axes=None, state="logarithms", normalised=True)
    if output.dim() < MATRIX_AXES or name in _REDUCING:
        return None
    kept = view or name in LINEAR or name in _CHOOSING
    if output.numel() < source.numel() and not kept:
        return None
    shape = tuple(output.shape) if output.dim() >= HEAD_AXES else tag.shape
    axes = axes_after(call, tag.axes, source, output)
    if name == "cat":
        tag = _joined(tag, call)
    if name in SOFTMAX and tag.state != "weights":
        largest = source.detach().amax(dim=tag.axes or (-2, -1))
        state = "logarithms" if name == "_log_softmax" else "weights"
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
    if name in _SQUASHING:
        state = "weights"
    elif name in _RAISING:
        state = "weights" if state == "logarithms" else "exponentials"
    elif name in _SHAPING and state == "scores":
        state = "shaped"
    elif name in DIVIDING and state == "exponentials" and _by_smaller(call, output):
        state, normalised = "weights", True
    elif name == "sub" and any(
        isinstance(other := tag_of(t), Scores) and other.state == "logarithms"
        for t in tensors_in(call.args)
    ):
        state, normalised = "logarithms", True
    return replace(tag, shape=shape, axes=axes, state=state, normalised=normalised)


def _joined(tag: Scores, call: OperatorCall) -> Scores:
    """Return the tag of products laid side by side, before or after their common softmax."""
    tags = [other for t in tensors_in(call.args) if isinstance(other := tag_of(t), Scores)]
    others = [
        part for other in tags for part in (other, *other.joined) if part.left is not tag.left
    ]
    return replace(tag, joined=tuple(replace(other, joined=()) for other in others))


def _by_smaller(call: OperatorCall, output: Tensor) -> bool:
    """Return whether one operand is smaller than the result, as a sum over keys is."""
    return any(tensor.numel() < output.numel() for tensor in tensors_in(call.args))
