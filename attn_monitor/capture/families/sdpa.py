"""``torch.nn.functional.scaled_dot_product_attention``, whichever fused kernel runs it.

The unfused "math" backend splits into matrix products and arrives in :mod:`.eager`.
"""

from __future__ import annotations

import math
from typing import Final

from torch import Tensor

from attn_monitor.capture.families.base import observes
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.padding import padded_heads
from attn_monitor.capture.proof import ValueCheck
from attn_monitor.capture.rules import MaskedSoftmax, ModelWeights
from attn_monitor.capture.tracer import Observation, Tracer

# Kernel -> the name of its mask argument. Only the first runs on a CPU; the others are written
# from their schemas and have not been run.
_KERNELS: Final[dict[str, str | None]] = {
    "_scaled_dot_product_flash_attention_for_cpu": "attn_mask",
    "_scaled_dot_product_flash_attention": None,
    "_scaled_dot_product_efficient_attention": "attn_bias",
    "_scaled_dot_product_cudnn_attention": "attn_bias",
    "_scaled_dot_product_fused_attention_overrideable": "attn_bias",
}


@observes("_scaled_dot_product_attention_math")
def math_of_nested(call: OperatorCall, tracer: Tracer) -> None:
    """Report the unfused backend where it is not split: nested tensors in inference mode."""
    query, key, value = (padded_heads(call.tensor(name)) for name in ("query", "key", "value"))
    match call.result:
        case (Tensor() as output, Tensor() as weights):
            tracer.attention(
                Observation(
                    source=call.name,
                    query=query,
                    key=key,
                    value=value,
                    rule=ModelWeights(tensor=padded_heads(weights).detach()),
                    output=output,
                    mixed=padded_heads(output),
                    origins=(call.tensor("query"), call.tensor("key")),
                )
            )


@observes(*_KERNELS)
def kernel(call: OperatorCall, tracer: Tracer) -> None:
    """Report one fused call; its weights are computed again from q and k when asked for."""
    query, key, value = (call.tensor(name) for name in ("query", "key", "value"))
    mask_name = _KERNELS[call.name]
    mask = None if mask_name is None else call.optional_tensor(mask_name)
    tracer.attention(
        Observation(
            source=call.name,
            query=query,
            key=key,
            value=value,
            rule=MaskedSoftmax(
                query=query.detach(),
                key=key.detach(),
                scale=call.number("scale", 1.0 / math.sqrt(query.shape[-1])),
                mask=None if mask is None else mask.detach(),
                causal=call.flag("is_causal"),
            ),
            output=call.output,
            mixed=call.output,
            check=ValueCheck(output=call.output),
            call=call,
            values=value,
        )
    )
