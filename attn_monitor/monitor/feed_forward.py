"""How wide the feed-forward block beside an attention layer is."""

from __future__ import annotations

from torch import nn


def feed_forward_widths(model: nn.Module, attention: str) -> dict[str, int]:
    """Return ``d_model`` and ``d_ff`` of the block around an attention layer, empty if none.

    The block is the innermost module around the layer that also holds two linear layers, one from
    ``d_model`` to a larger ``d_ff`` and one back.

    Args:
        model: The model that is recorded.
        attention: Path of the attention module inside it.
    """
    modules = dict(model.named_modules())
    path = attention.split(".")
    for depth in range(len(path), 0, -1):
        block = modules.get(".".join(path[:depth]))
        found = _expansion(block) if block is not None else None
        if found is not None:
            return {"d_model": found[0], "d_ff": found[1]}
    return {}


def _expansion(block: nn.Module) -> tuple[int, int] | None:
    shapes = [(m.in_features, m.out_features) for m in block.modules() if isinstance(m, nn.Linear)]
    for narrow, wide in shapes:
        if wide > narrow and (wide, narrow) in shapes:
            return narrow, wide
    return None
