"""What to say when a forward pass ran and no attention was seen."""

from __future__ import annotations

from typing import Final

from torch import nn

from attn_monitor.capture.modules import module_names

_WORDS: Final = ("attention", "attn", "transformer", "mixer")
_SHOWN: Final = 8


def describe_missing(model: nn.Module) -> str:
    """Return one message: what looks like attention here, and what can be done about it.

    Args:
        model: The model whose forward pass ran without any attention being seen.
    """
    suspects = [
        f"{name or '(the model itself)'} ({type(module).__name__})"
        for module, name in module_names(model).items()
        if any(word in type(module).__name__.lower() for word in _WORDS)
    ]
    if not suspects:
        return (
            f"no attention was seen in {type(model).__name__}, and none of its modules looks like "
            "attention; remedy: check that the forward pass runs the Transformer part of the model"
        )
    listed = ", ".join(suspects[:_SHOWN])
    more = f" and {len(suspects) - _SHOWN} more" if len(suspects) > _SHOWN else ""
    return (
        f"no attention was seen in {type(model).__name__}; modules that look like it: {listed}"
        f"{more}; remedy: if they use a compiled extension kernel, register it with "
        "attn_monitor.capture.kernels.register_kernel; if they have no softmax over keys (linear "
        "attention, state spaces), there are no weights to show"
    )
