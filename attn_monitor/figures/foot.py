"""The foot of a picture of maps: the sentence, how to read a map, the colour scale."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attn_monitor.figures import canvas, colour
from attn_monitor.figures.text import sentence

FOOT = 84
_SCALE = 210


def write_foot(
    figure: Figure, axes: Axes, *, query_tokens: Sequence[str], key_tokens: Sequence[str]
) -> None:
    """Write the foot into the lowest ``FOOT`` pixels of a figure."""
    width, height = figure.get_size_inches() * figure.dpi
    y = height - FOOT + 24
    room = int((width - _SCALE - 150) / 8.6)
    same = tuple(query_tokens) == tuple(key_tokens)
    words = sentence(query_tokens, longest=room)
    canvas.write(axes, 16, y, words if same else f"rows: {words}", size=15)
    second = (
        f"{len(key_tokens)} tokens; rows: query, first on top; columns: key"
        if same
        else f"columns: {sentence(key_tokens, longest=room)}"
    )
    canvas.write(axes, 16, y + 26, second, size=15, ink=colour.INK3 if same else colour.INK)
    left = width - _SCALE - 26
    uniform = 1 / len(key_tokens)
    canvas.scale_bar(axes, left, y - 4, width=_SCALE, size=16, uniform=uniform)
    canvas.write(axes, left - 14, y + 3, "weight", size=15, align="right")
    mark = f"\u25be uniform {uniform:.3f}"
    canvas.write(axes, left - 14, y + 26, mark, size=13, ink=colour.INK3, align="right")
