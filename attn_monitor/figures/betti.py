"""Betti curves: how the graph of each head falls together as weaker links count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attn_monitor.analysis.topology.components import BettiCurves
from attn_monitor.figures import canvas, colour

_PANELS = (
    ("Pieces (b\u2080)", "components"),
    ("Cycles (b\u2081 of the graph)", "cycles"),
    ("Links", "edges"),
)
_TOP, _BOTTOM = 0.76, 0.2


def betti_figure(curves: Sequence[BettiCurves], *, title: str, tokens: int) -> Figure:
    """Return three panels against the least weight of a link, a line per head in its hue.

    From right to left weaker links count: pieces join, then cycles close.

    Args:
        curves: One set of curves per head of a layer, all at the same weights.
        title: First line of the picture.
        tokens: Length of the sentence: the dashes in the first panel.

    Raises:
        ValueError: If there is no head.
    """
    if not curves:
        raise ValueError("betti_figure needs the curves of at least one head; got none")
    figure, axes = canvas.blank(1080, 420)
    canvas.write(axes, 16, 34, title, size=26, bold=True)
    weights = curves[0].weights
    for place, (name, field) in enumerate(_PANELS):
        panel = figure.add_axes((0.06 + 0.32 * place, _BOTTOM, 0.26, _TOP - _BOTTOM))
        _frame(panel, name, weights)
        if field == "components":
            panel.axhline(tokens, color=colour.INK3, linestyle="--", linewidth=1)
        for head, one in enumerate(curves):
            line: Int[np.ndarray, " weight"] = getattr(one, field)
            panel.plot(weights, line, color=colour.head_colour(head), linewidth=2, alpha=0.85)
            if place == len(_PANELS) - 1 and len(curves) <= len(colour.HEAD_HUES):
                _key(axes, head, len(curves))
        panel.set_ylim(bottom=0)
    return figure


def _frame(panel: Axes, name: str, weights: tuple[float, ...]) -> None:
    panel.set_title(name, fontsize=14, loc="left", color=colour.INK, parse_math=False)
    panel.set_xscale("log")
    panel.set_xlim(min(weights), 1)
    ticks = [weight for weight in (0.01, 0.05, 0.2, 1.0) if weight >= min(weights)]
    panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.set_xticks([], minor=True)
    panel.tick_params(labelsize=12, colors=colour.INK2, length=3)
    panel.set_xlabel("links of at least this weight", fontsize=12, color=colour.INK2)
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color(colour.LINE2)
    panel.grid(axis="y", color=colour.LINE, linewidth=0.8)
    panel.set_axisbelow(True)


def _key(axes: Axes, head: int, heads: int) -> None:
    pitch = 34.0
    canvas.badge(axes, 1064 - (heads - head) * pitch, 18, head, size=16)
