"""Nested tensors: sentences of different lengths without padding."""

from __future__ import annotations

from attn_monitor.capture.families.base import observes
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.padding import mark_width
from attn_monitor.capture.tracer import Tracer


@observes("_nested_tensor_from_mask")
def from_mask(call: OperatorCall, _tracer: Tracer) -> None:
    """Remember how wide the batch was before its padding was cut away."""
    mark_width(call.output, call.tensor("t").shape[1])
