"""Piles of every layer at one look: a mean map per pile, the numbers of its heads above it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attn_monitor.analysis.piles.stack import Pile, stack_piles
from attn_monitor.figures import canvas, colour
from attn_monitor.figures.foot import FOOT, write_foot

_WIDTH = 1080
_LEFT, _RIGHT, _TITLE = 76, 14, 84
_BADGE = 18


def pile_sheet(
    attn: Float[np.ndarray, "layer head query key"],
    labels: Int[np.ndarray, "layer head"],
    *,
    query_tokens: Sequence[str],
    key_tokens: Sequence[str],
    title: str,
    height: float | int,
    heads_per_layer: Sequence[int] | None = None,
) -> Figure:
    """Return the piles of a part on one sentence, a row per layer, largest pile first.

    A pile of several heads is drawn in slate with sheets behind it; a pile of one keeps the hue
    of its head. Colours and orientation as in :func:`~attn_monitor.figures.head_grid`.

    Args:
        attn: Weights after softmax, padding cropped.
        labels: The pile of every head of every layer.
        query_tokens: The tokens that ask.
        key_tokens: The tokens that are looked at.
        title: First line of the picture.
        height: The distance up to which heads were merged, written under the title.
        heads_per_layer: Number of real heads per layer where the arrays are padded.
    """
    counts = heads_per_layer or [attn.shape[1]] * attn.shape[0]
    rows = [
        sorted(
            stack_piles(attn[layer, :heads], labels[layer, :heads]),
            key=lambda pile: (-len(pile.heads), pile.heads),
        )
        for layer, heads in enumerate(counts)
    ]
    column = canvas.fitting(
        [len(row) for row in rows], room=_WIDTH - _LEFT - _RIGHT, smallest=60, largest=150
    )
    map_width = column - 20
    map_height = map_width * float(np.clip(attn.shape[2] / attn.shape[3], 0.25, 4))
    per_line = max(int(map_width // (_BADGE * 1.9)), 1)
    lines = [-(-max(len(pile.heads) for pile in row) // per_line) for row in rows]
    bands = [map_height + 16 + line * _BADGE * 1.5 for line in lines]
    figure, axes = canvas.blank(_WIDTH, _TITLE + sum(bands) + FOOT)
    canvas.write(axes, 16, 34, title, size=26, bold=True)
    told = f"{sum(map(len, rows))} piles of {sum(counts)} heads, merged up to distance {height:.2f}"
    canvas.write(axes, 16, 64, told, size=15, ink=colour.INK2)
    same = tuple(query_tokens) == tuple(key_tokens)
    bottom = float(_TITLE)
    for layer, (row, band) in enumerate(zip(rows, bands, strict=True)):
        bottom += band
        top = bottom - map_height - 8
        middle = top + map_height / 2
        canvas.write(axes, _LEFT - 12, middle, f"L{layer + 1}", size=28, align="right")
        for place, pile in enumerate(row):
            frame = (_LEFT + place * column, top, map_width, map_height)
            _pile(axes, pile, frame, per_line=per_line, diagonal=same)
    write_foot(figure, axes, query_tokens=query_tokens, key_tokens=key_tokens)
    return figure


def _pile(axes: Axes, pile: Pile, frame: canvas.Box, *, per_line: int, diagonal: bool) -> None:
    x, y, width, height = frame
    for sheet in range(min(len(pile.heads) - 1, 2), 0, -1):
        behind = (x + 4 * sheet, y + 4 * sheet, width, height)
        canvas.box(axes, behind, facecolor="white", edgecolor=colour.INK3, linewidth=0.8)
    head = pile.heads[0] if len(pile.heads) == 1 else None
    canvas.picture(axes, frame, colour.paint(pile.attn, head=head), diagonal=diagonal)
    lines = [pile.heads[at : at + per_line] for at in range(0, len(pile.heads), per_line)]
    for number, line in enumerate(lines):
        left = float(x)
        above = y - (len(lines) - number) * _BADGE * 1.5 - 1
        for member in line:
            left += canvas.badge(axes, left, above, member, size=_BADGE) + 2
