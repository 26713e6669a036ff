"""All heads of a part at one look: one row per layer, one small map per head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attn_monitor.core.nouns import MetricSpec
from attn_monitor.figures import canvas, colour
from attn_monitor.figures.foot import FOOT, write_foot

_WIDTH = 1080
_LEFT, _RIGHT, _TITLE = 76, 14, 62
_GAP = 0.09  # of a map's width, between neighbours


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Numbers before pixels: the size of a map, the pitch of columns and rows, the type size."""

    map_width: canvas.Pixels
    map_height: canvas.Pixels
    column: canvas.Pixels
    row: canvas.Pixels
    label: canvas.Pixels
    width: canvas.Pixels
    height: canvas.Pixels


def head_grid(
    attn: Float[np.ndarray, "layer head query key"],
    *,
    query_tokens: Sequence[str],
    key_tokens: Sequence[str],
    title: str,
    heads_per_layer: Sequence[int] | None = None,
) -> Figure:
    """Return one picture of a whole part: layers from top to bottom, heads from left to right.

    Every map has queries as rows, first token on top, keys as columns, on a square-root scale
    fixed at 0 to 1 in the hue of its head. The grey diagonal marks a word looking at itself and
    is left out where queries and keys are different tokens.

    Args:
        attn: Weights after softmax, padding cropped.
        query_tokens: The tokens that ask, one per row of a map.
        key_tokens: The tokens that are looked at, one per column.
        title: First line of the picture.
        heads_per_layer: Number of real heads per layer where the array is padded to the largest.
    """
    counts = _counts(attn, heads_per_layer)
    layout = _layout(attn, caption=False)
    figure, axes = canvas.blank(layout.width, layout.height)
    canvas.write(axes, 16, 34, title, size=26, bold=True)
    for head in range(attn.shape[1]):
        _centred_badge(axes, layout, head, at=(_LEFT + head * layout.column, _TITLE))
    for layer, heads in enumerate(counts):
        top = _row_label(axes, layout, layer)
        for head in range(heads):
            place = (_LEFT + head * layout.column, top, layout.map_width, layout.map_height)
            pixels = colour.paint(attn[layer, head], head=head)
            canvas.picture(axes, place, pixels, diagonal=tuple(query_tokens) == tuple(key_tokens))
    write_foot(figure, axes, query_tokens=query_tokens, key_tokens=key_tokens)
    return figure


def sorted_heads(
    attn: Float[np.ndarray, "layer head query key"],
    values: Float[np.ndarray, "layer head"],
    *,
    spec: MetricSpec,
    query_tokens: Sequence[str],
    key_tokens: Sequence[str],
    title: str,
    heads_per_layer: Sequence[int] | None = None,
) -> Figure:
    """Return the maps of every layer in the order of a metric, its value beside each head.

    As :func:`head_grid`, with heads of a layer sorted by ``values`` in the direction of ``spec``;
    heads whose value is undefined (NaN) come last. Equal values keep the order of heads.
    """
    counts = _counts(attn, heads_per_layer)
    layout = _layout(attn, caption=True)
    figure, axes = canvas.blank(layout.width, layout.height)
    canvas.write(axes, 16, 34, title, size=26, bold=True)
    canvas.write(axes, 16, _TITLE + 2, f"{spec.title}: {spec.reading}", size=15, ink=colour.INK2)
    sign = 1 if spec.direction == "ascending" else -1
    for layer, heads in enumerate(counts):
        top = _row_label(axes, layout, layer)
        order = np.argsort(sign * values[layer, :heads], kind="stable")
        for column, head in enumerate(order.tolist()):
            left = _LEFT + column * layout.column
            canvas.badge(axes, left, top - layout.label * 1.5, head, size=layout.label)
            value = float(values[layer, head])
            canvas.write(
                axes,
                left + layout.map_width,
                top - layout.label * 0.85,
                "\u2013" if np.isnan(value) else f"{value:.2f}".replace("-", "\u2212"),
                size=layout.label * 0.7,
                ink=colour.INK2,
                align="right",
            )
            place = (left, top, layout.map_width, layout.map_height)
            pixels = colour.paint(attn[layer, head], head=head)
            canvas.picture(axes, place, pixels, diagonal=tuple(query_tokens) == tuple(key_tokens))
    write_foot(figure, axes, query_tokens=query_tokens, key_tokens=key_tokens)
    return figure


def _counts(
    attn: Float[np.ndarray, "layer head query key"], given: Sequence[int] | None
) -> list[int]:
    return [attn.shape[1]] * attn.shape[0] if given is None else list(given)


def _layout(attn: Float[np.ndarray, "layer head query key"], *, caption: bool) -> _Layout:
    layers, heads, queries, keys = attn.shape
    column = canvas.fitting([heads], room=_WIDTH - _LEFT - _RIGHT, smallest=24, largest=230)
    map_width = column * (1 - _GAP)
    map_height = map_width * float(np.clip(queries / keys, 0.25, 4))
    label = min(28.0, column * (0.24 if caption else 0.36))
    above = label * 1.5 + 4 if caption else 0.0
    row = map_height + above + column * _GAP
    head_line = 18.0 if caption else label * 1.5
    return _Layout(
        map_width=map_width,
        map_height=map_height,
        column=column,
        row=row,
        label=label,
        width=max(_LEFT + heads * column + _RIGHT, 620),
        height=_TITLE + head_line + layers * row + FOOT,
    )


def _row_label(axes: Axes, layout: _Layout, layer: int) -> canvas.Pixels:
    """Write the name of a layer beside its row; return the top of the row's maps."""
    first = layout.height - FOOT
    layers = round((first - _TITLE) // layout.row)
    top = first - (layers - layer) * layout.row + (layout.row - layout.map_height)
    top -= layout.column * _GAP
    middle = top + layout.map_height / 2
    canvas.write(axes, _LEFT - 12, middle, f"L{layer + 1}", size=28, align="right")
    return top


def _centred_badge(
    axes: Axes, layout: _Layout, head: int, *, at: tuple[canvas.Pixels, canvas.Pixels]
) -> None:
    width = layout.label * (0.55 + 0.64 * len(str(head + 1)))
    canvas.badge(axes, at[0] + (layout.map_width - width) / 2, at[1], head, size=layout.label)
