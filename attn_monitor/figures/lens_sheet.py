"""HeadLens on one sheet: the table of clusters, what is in them, the words of one cell."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attn_monitor.analysis.lens.headlens import HeadLens, Side
from attn_monitor.analysis.lens.profile import Word
from attn_monitor.analysis.lens.tags import TAGS
from attn_monitor.figures import canvas, colour

Table = Literal["products", "centred", "mass", "lift"]
_TITLES: dict[Table, str] = {
    "products": "centroid inner product (as published)",
    "centred": "inner product, each row centred",
    "mass": "share of attention",
    "lift": "attention over chance",
}
_TOP, _SIZE = 150, 400
_TABLE, _QUERY, _KEY, _WORDS = 60, 500, 700, 900
_BARS, _STRIP = 110, 70


def lens_sheet(
    lens: HeadLens,
    *,
    title: str,
    table: Table = "centred",
    cell: tuple[int, int] | None = None,
) -> Figure:
    """Return a HeadLens as a picture: rows are query clusters, columns key clusters.

    Red is high and blue is low, as in SANVis; clusters are numbered by their mean place in the
    sentence. Beside the table: parts of speech (stacked bars) and places (strips) of both sides;
    right: the most frequent words of the two clusters of one cell, framed in the table.

    Args:
        lens: The lens of one head.
        title: First line of the picture, for example the head's name and the step.
        table: Which reading of the table to draw.
        cell: Query and key cluster to describe; by default the highest cell between clusters
            that are not mostly starts and ends of sentences.

    Raises:
        ValueError: If the table needs attention maps and the lens was made without.
    """
    values = getattr(lens, table)
    if values is None:
        raise ValueError(
            f"this lens has no table {table!r}: pass attn= to head_lens, or draw 'centred'"
        )
    chosen = cell or _highest(lens, values)
    figure, axes = canvas.blank(1180, 640)
    canvas.write(axes, 16, 34, title, size=26, bold=True)
    told = (
        f"{len(lens.queries.clusters.labels)} queries and {len(lens.keys.clusters.labels)} keys; "
        f"k-means++; silhouette {lens.queries.silhouette:.2f} and {lens.keys.silhouette:.2f}; "
        f"tags: {lens.tagger}"
    )
    canvas.write(axes, 16, 66, told.replace("-0.", "\u22120."), size=14, ink=colour.INK2)
    _draw_table(axes, values, chosen, _TITLES[table])
    _draw_side(axes, _QUERY, "Query clusters", lens.queries, chosen[0])
    _draw_side(axes, _KEY, "Key clusters", lens.keys, chosen[1])
    _draw_words(axes, _TOP - 10, "Query", chosen[0], lens.queries)
    _draw_words(axes, _TOP + 210, "Key", chosen[1], lens.keys)
    _legend(axes, lens)
    return figure


def _highest(
    lens: HeadLens, values: Float[np.ndarray, "query_cluster key_cluster"]
) -> tuple[int, int]:
    """Return the highest cell between clusters of words, of all cells if there is none."""
    ends = [TAGS.index("SOS"), TAGS.index("EOS")]
    wordy = [side.profile.tags[:, ends].sum(axis=1) < 0.5 for side in (lens.queries, lens.keys)]  # noqa: PLR2004  # half
    eligible = np.where(np.outer(*wordy) & ~np.isnan(values), values, -np.inf)
    if not np.isfinite(eligible).any():
        eligible = np.nan_to_num(values, nan=-np.inf)
    query, key = np.unravel_index(int(eligible.argmax()), eligible.shape)
    return int(query), int(key)


def _draw_table(
    axes: Axes,
    values: Float[np.ndarray, "query_cluster key_cluster"],
    chosen: tuple[int, int],
    name: str,
) -> None:
    rows, columns = values.shape
    signed = bool(np.nanmin(values) < 0)
    largest = float(np.nanmax(np.abs(values)))
    shown = np.nan_to_num(values)
    canvas.write(axes, _TABLE, _TOP - 52, "Query \u00d7 key", size=17)
    told = f"{name}; rows: query, columns: key"
    canvas.write(axes, _TABLE, _TOP - 32, told, size=13, ink=colour.INK2)
    place = (_TABLE, _TOP, _SIZE, _SIZE)
    canvas.picture(axes, place, colour.paint_signed(shown, largest=largest))
    for row in range(rows):
        y = _TOP + (row + 0.5) * _SIZE / rows
        bold = row == chosen[0]
        canvas.write(axes, _TABLE - 8, y, str(row + 1), size=13, align="right", bold=bold)
    for column in range(columns):
        x = _TABLE + (column + 0.5) * _SIZE / columns
        bold = column == chosen[1]
        canvas.write(axes, x, _TOP - 11, str(column + 1), size=13, align="center", bold=bold)
    high, wide = _SIZE / rows, _SIZE / columns
    frame = (_TABLE + chosen[1] * wide, _TOP + chosen[0] * high, wide, high)
    canvas.box(axes, frame, facecolor="none", edgecolor=colour.INK, linewidth=2.2, zorder=3)
    scale = np.linspace(-1.0 if signed else 0.0, 1.0, 256)[None]
    bar = (_TABLE, _TOP + _SIZE + 16, 180, 12)
    canvas.picture(axes, bar, colour.paint_signed(scale, largest=1.0))
    low = f"\u2212{largest:.3g}" if signed else "0"
    below = _TOP + _SIZE + 42
    canvas.write(axes, _TABLE, below, low, size=13)
    canvas.write(axes, _TABLE + 180, below, f"{largest:.3g}", size=13, align="right")


def _draw_side(axes: Axes, x: float | int, name: str, side: Side, chosen: int) -> None:
    """Draw parts of speech and places of every cluster, one row each, level with the table."""
    canvas.write(axes, x, _TOP - 52, name, size=17)
    canvas.write(axes, x, _TOP - 16, "part of speech", size=12, ink=colour.INK2)
    canvas.write(axes, x + _BARS + 8, _TOP - 16, "start \u2192 end", size=12, ink=colour.INK2)
    rows = len(side.profile.size)
    pitch = _SIZE / rows
    for row in range(rows):
        top = _TOP + row * pitch + pitch * 0.12
        left = float(x)
        for tag, share in zip(TAGS, side.profile.tags[row], strict=True):
            width = _BARS * float(share)
            canvas.box(axes, (left, top, width, pitch * 0.76), facecolor=colour.tag_colour(tag))
            left += width
        strip = np.sqrt(side.profile.places[row][None])
        place = (x + _BARS + 8, top, _STRIP, pitch * 0.76)
        canvas.picture(axes, place, colour.paint_signed(strip, largest=1.0))
    frame = (x - 3, _TOP + chosen * pitch, _BARS + _STRIP + 14, pitch)
    canvas.box(axes, frame, facecolor="none", edgecolor=colour.INK, linewidth=1.6, zorder=3)


def _draw_words(axes: Axes, y: float | int, name: str, cluster: int, side: Side) -> None:
    words: tuple[Word, ...] = side.profile.words[cluster][:7]
    size = int(side.profile.size[cluster])
    canvas.write(axes, _WORDS, y - 30, f"{name} cluster {cluster + 1}", size=17)
    canvas.write(axes, 1164, y - 30, f"{size} tokens", size=13, ink=colour.INK2, align="right")
    most = max((word.count for word in words), default=1)
    for place, word in enumerate(words):
        middle = y + place * 25
        ink = colour.tag_colour(word.tag)
        canvas.box(axes, (_WORDS, middle - 6, 12, 12), facecolor=ink)
        canvas.write(axes, _WORDS + 20, middle, word.text[:14], size=16)
        canvas.box(axes, (_WORDS + 150, middle - 6, 70 * word.count / most, 12), facecolor=ink)
        share = f"{100 * word.count / size:.0f} %"
        canvas.write(axes, 1164, middle, share, size=13, align="right", ink=colour.INK2)


def _legend(axes: Axes, lens: HeadLens) -> None:
    """Name the colours of the parts of speech that occur."""
    seen = lens.queries.profile.base_tags + lens.keys.profile.base_tags
    present = [tag for tag, share in zip(TAGS, seen, strict=True) if share > 0]
    per_line = -(-len(present) // 2)
    for number, tag in enumerate(present):
        x = _QUERY + (number % per_line) * 68
        y = _TOP + _SIZE + 26 + (number // per_line) * 26
        canvas.box(axes, (x, y - 7, 12, 14), facecolor=colour.tag_colour(tag))
        canvas.write(axes, x + 16, y, tag, size=13)
