"""``flex_attention``: the user's score and mask functions, run again for the rows asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from attn_monitor.capture.families.base import observes
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.proof import ValueCheck
from attn_monitor.capture.rules import Recomputed
from attn_monitor.capture.selection import Selection
from attn_monitor.capture.tracer import Observation, Tracer

Function = Callable[..., Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexSoftmax(Recomputed):
    """Softmax over scores that two functions of ``(sentence, head, query, key)`` may change.

    Attributes:
        score_mod: Takes a score and its four indices, returns the changed score.
        score_buffers: Tensors that ``score_mod`` reads besides.
        mask_mod: Takes four indices, returns whether the key is visible.
        mask_buffers: Tensors that ``mask_mod`` reads besides.
    """

    score_mod: Function
    score_buffers: tuple[object, ...]
    mask_mod: Function
    mask_buffers: tuple[object, ...]

    def adjusted(self, products: Tensor, selection: Selection) -> Tensor:
        """Apply both functions to the selected scores."""
        # The functions may index a tensor by an index tensor; outside of this mode PyTorch would
        # turn that index into a plain number, which vmap forbids.
        from torch._dynamo._trace_wrapped_higher_order_op import (  # noqa: PLC0415  # slow import
            TransformGetItemToIndex,
        )

        sentences, heads, rows = self.query.shape[:3]
        indices = (
            selection.sentence_numbers(sentences, products.device),
            selection.head_numbers(heads, products.device),
            selection.row_numbers(rows, products.device),
            torch.arange(self.key.shape[2], device=products.device),
        )
        score_mod = _over_all_indices(self.score_mod, before=1, after=len(self.score_buffers))
        mask_mod = _over_all_indices(self.mask_mod, before=0, after=len(self.mask_buffers))
        with TransformGetItemToIndex():
            scores = score_mod(products, *indices, *self.score_buffers)
            visible = mask_mod(*indices, *self.mask_buffers)
        return scores.masked_fill(~visible, -math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arguments:
    """The operator has no schema; this is its order of arguments, with their types checked."""

    query: Tensor
    key: Tensor
    value: Tensor
    score_mod: Function
    mask_mod: Function
    scale: float
    score_buffers: tuple[object, ...] = ()
    mask_buffers: tuple[object, ...] = ()

    @classmethod
    def of(cls, call: OperatorCall) -> _Arguments:
        """Read the arguments of one call."""
        match call.args:
            case (
                Tensor() as query,
                Tensor() as key,
                Tensor() as value,
                score_mod,
                (*_, mask_mod),
                (float() | int()) as scale,
                _,
                *buffers,
            ) if callable(score_mod) and callable(mask_mod):
                score_buffers, mask_buffers = (*map(_buffers, buffers), (), ())[:2]
                return cls(
                    query=query,
                    key=key,
                    value=value,
                    score_mod=score_mod,
                    mask_mod=mask_mod,
                    scale=float(scale),
                    score_buffers=score_buffers,
                    mask_buffers=mask_buffers,
                )
        raise TypeError("flex_attention came with its arguments in an unknown order")


def _buffers(given: object) -> tuple[object, ...]:
    return tuple(given) if isinstance(given, (tuple, list)) else ()


@observes("flex_attention")
def flex(call: OperatorCall, tracer: Tracer) -> None:
    """Report one call of flex attention, whichever backend runs it."""
    given = _Arguments.of(call)
    sentences = given.query.shape[0]
    key, value = (t.expand(sentences, *t.shape[1:]).detach() for t in (given.key, given.value))
    tracer.attention(
        Observation(
            source=call.name,
            query=given.query,
            key=key,
            value=value,
            rule=FlexSoftmax(
                query=given.query.detach(),
                key=key,
                scale=given.scale,
                score_mod=given.score_mod,
                score_buffers=given.score_buffers,
                mask_mod=given.mask_mod,
                mask_buffers=given.mask_buffers,
            ),
            output=call.output,
            mixed=call.output,
            check=ValueCheck(output=call.output),
            origins=(given.query, given.key),
            call=call,
            values=given.value,
        )
    )


def _over_all_indices(function: Function, *, before: int, after: int) -> Function:
    """Return the function for whole index ranges: keys innermost, sentences outermost."""
    for axis in range(3, -1, -1):
        indices = [0 if position == axis else None for position in range(4)]
        function = torch.vmap(function, in_dims=((0,) * before + (*indices, *(None,) * after)))
    return function
