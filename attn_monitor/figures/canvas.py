"""A figure measured in pixels, and the few marks all pictures are made of.

Figures are built without pyplot: they are drawn in a background thread, where pyplot's list of
open figures would leak memory and fight with the user's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attn_monitor.figures import colour
from attn_monitor.figures.text import FONT, drawable

_DPI = 100
_POINTS = 72 / _DPI
_ABOVE_BOXES = 2.5  # Matplotlib would draw images under patches

Pixels = float | int
Box = tuple[Pixels, Pixels, Pixels, Pixels]
"""x, y, width, height."""


def blank(width: Pixels, height: Pixels, *, figure: Figure | None = None) -> tuple[Figure, Axes]:
    """Return a white figure of the given size and axes counted in its pixels, origin top left.

    Args:
        width: In pixels.
        height: In pixels.
        figure: An empty figure to take, such as one with a window; a new one by default.
    """
    figure = Figure() if figure is None else figure
    figure.set_dpi(_DPI)
    figure.set_size_inches(width / _DPI, height / _DPI)
    figure.set_facecolor("white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    return figure, axes


def write(
    axes: Axes,
    x: Pixels,
    y: Pixels,
    text: str,
    *,
    size: Pixels,
    ink: str = colour.INK,
    align: str = "left",
    vertical: str = "center",
    bold: bool = False,
    rotation: Pixels = 0,
) -> None:
    """Write one line of text, ``size`` pixels high, ``x, y`` its anchor."""
    axes.text(
        x,
        y,
        drawable(text),
        fontsize=size * _POINTS,
        color=ink,
        ha=align,
        va=vertical,
        rotation=rotation,
        rotation_mode="anchor",
        family=FONT,
        weight="bold" if bold else "normal",
        parse_math=False,
    )


def box(axes: Axes, place: Box, **style: str | Pixels) -> None:
    """Draw a rectangle (x, y, width, height) without an outline unless the style names one."""
    x, y, width, height = place
    axes.add_patch(Rectangle((x, y), width, height, **{"linewidth": 0.0, **style}))  # type: ignore[arg-type]  # one dict for all styles


def picture(
    axes: Axes,
    place: Box,
    pixels: UInt8[np.ndarray, "row column 3"],
    *,
    diagonal: bool = False,
) -> None:
    """Show an image in a hairline frame at (x, y, width, height)."""
    x, y, width, height = place
    limits = (*axes.get_xlim(), *axes.get_ylim())
    axes.imshow(
        pixels,
        extent=(x, x + width, y + height, y),
        aspect="auto",
        interpolation="auto",
        zorder=_ABOVE_BOXES,
    )
    axes.set_xlim(limits[:2])
    axes.set_ylim(limits[2:])
    if diagonal:
        grey = {"color": colour.INK3, "alpha": 0.45, "linewidth": 0.6, "zorder": _ABOVE_BOXES}
        axes.plot([x, x + width], [y, y + height], **grey)  # type: ignore[arg-type]  # as above
    edge = colour.LINE2
    box(axes, place, facecolor="none", edgecolor=edge, linewidth=0.6, zorder=_ABOVE_BOXES)


def badge(axes: Axes, x: Pixels, y: Pixels, head: int, *, size: Pixels) -> float:
    """Draw a head's number on its tint, underlined in its hue; return the badge's width."""
    label = str(head + 1)
    width = size * (0.55 + 0.64 * len(label))
    height = size * 1.3
    box(axes, (x, y, width, height), facecolor=colour.head_tint(head))
    line = max(2.5, size * 0.17)
    box(axes, (x, y + height - line, width, line), facecolor=colour.head_colour(head))
    write(axes, x + width / 2, y + height * 0.46, label, size=size, align="center")
    return width


def scale_bar(
    axes: Axes, x: Pixels, y: Pixels, *, width: Pixels, size: Pixels, uniform: float | None
) -> None:
    """Draw the colour scale of the weights with its ticks and, above it, the uniform mark."""
    weights: Float[np.ndarray, " column"] = np.linspace(0, 1, 256) ** 2
    height = size * 0.8
    picture(axes, (x, y, width, height), colour.paint(weights[None], head=None))
    for tick in (0, 0.05, 0.2, 0.5, 1):
        place = x + width * tick**0.5
        write(axes, place, y + height + size * 0.75, f"{tick:g}", size=size * 0.85, align="center")
    if uniform is not None:
        place = x + width * uniform**0.5
        axes.plot([place], [y - size * 0.3], marker="v", color=colour.INK, markersize=size * 0.3)


def fitting(lengths: Sequence[int], *, room: Pixels, smallest: Pixels, largest: Pixels) -> float:
    """Return the largest pitch at which that many items fit, between two bounds."""
    return float(np.clip(room / max(lengths), smallest, largest))
