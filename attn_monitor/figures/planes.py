"""The multi-planar graph of CS559: one plane per layer, a node per token, links by attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
from mpl_toolkits.mplot3d.axes3d import Axes3D

from attn_monitor.figures import canvas, colour
from attn_monitor.figures.plane_edges import Norm, PlaneEdges, strongest_links
from attn_monitor.figures.text import FONT, drawable

_WIDTH, _HEIGHT = 1080, 560
_SPACING = 1.75  # between planes, in radii
_RIM = 1.12


def plane_graph(
    attn: Float[np.ndarray, "layer token token"],
    *,
    tokens: Sequence[str],
    title: str,
    special: Sequence[int] = (),
    norm: Norm = "uniform",
    per_token: float | int = 1.0,
    classes: Mapping[str, float] | None = None,
) -> Figure:
    """Return the layers of a part as planes in space, to be turned with the mouse in a notebook.

    The same angle is the same token in all planes (NetworkX's circular layout). Links in a plane
    are attention, both directions added; the strength of a link is its width and its lightness,
    never opacity alone. Thin lines from plane to plane are the value step: each token's vector
    goes on, mixed with what its plane's links bring. Links of special tokens are left out, their
    nodes are hollow.

    Args:
        attn: One head, or the mean over heads, of every layer, padding cropped.
        tokens: The sentence.
        title: First line of the picture.
        special: Tokens whose links are left out.
        norm: How the strength of a link is measured.
        per_token: How many links to draw per token and plane.
        classes: Name and probability of every class of a classifier, drawn after the last plane.
    """
    layers, count = attn.shape[:2]
    spots = _ring(count)
    figure, labels = canvas.blank(_WIDTH, _HEIGHT)
    # A 3-D axes is always square; one as wide as the figure may stand out above and below.
    square = (0.0, (_HEIGHT - _WIDTH) / 2 / _HEIGHT - 0.08, 1.0, _WIDTH / _HEIGHT)
    axes = figure.add_axes(square, projection="3d", computed_zorder=False)
    if not isinstance(axes, Axes3D):
        raise TypeError(f"Matplotlib gave {type(axes).__name__} for a 3-D projection")
    planes = [
        strongest_links(each, norm=norm, per_token=per_token, without=special) for each in attn
    ]
    for layer, edges in enumerate(planes):
        _disc(axes, layer, f"Layer {layer + 1}")
        if layer:
            _values(axes, layer, spots)
        _links(axes, layer, spots, edges)
        _nodes(axes, layer, spots, special)
    _names(axes, spots, tokens)
    if classes:
        _classes(axes, layers, spots, classes)
    _view(axes, layers + bool(classes))
    drawn, total = sum(len(each.pairs) for each in planes), sum(each.total for each in planes)
    share = float(np.mean([each.share for each in planes]))
    canvas.write(labels, 16, 34, title, size=26, bold=True)
    told = f"{drawn} of {total} links, {100 * share:.0f} % of their weight; strength: {norm}"
    canvas.write(labels, 16, 64, told, size=15, ink=colour.INK2)
    return figure


def _ring(tokens: int) -> Float[np.ndarray, "token 2"]:
    """Return every token's place in a plane, first token on top, clockwise."""
    import networkx as nx  # noqa: PLC0415  # 0.2 s, and only this picture needs it

    places = nx.circular_layout(nx.complete_graph(tokens)) if tokens > 1 else {0: (1.0, 0.0)}
    return np.array([(places[token][1], places[token][0]) for token in range(tokens)])


def _at(layer: int, spots: Float[np.ndarray, "token 2"]) -> Float[np.ndarray, "token 3"]:
    return np.column_stack([np.full(len(spots), layer * _SPACING), spots])


def _disc(axes: Axes3D, layer: int, name: str) -> None:
    angle = np.linspace(0, 2 * np.pi, 60)
    rim = _at(layer, _RIM * np.column_stack([np.cos(angle), np.sin(angle)]))
    axes.add_collection3d(
        Poly3DCollection([rim], facecolor=(*_rgb("#eef1f4"), 0.75), edgecolor=colour.LINE2)
    )
    axes.text(
        layer * _SPACING,
        0,
        _RIM + 0.45,
        name,
        fontsize=13,
        ha="center",
        color=colour.INK,
        family=FONT,
    )


def _links(
    axes: Axes3D, layer: int, spots: Float[np.ndarray, "token 2"], edges: PlaneEdges
) -> None:
    if not len(edges.pairs):  # an empty collection has no place in a 3-D axes
        return
    places = _at(layer, spots)
    steps = np.rint(255 * np.sqrt(edges.strength)).astype(int)
    axes.add_collection3d(
        Line3DCollection(
            places[edges.pairs],
            colors=colour.ramp(None)[np.maximum(steps, 60)] / 255,
            linewidths=0.5 + 4.0 * edges.strength,
        )
    )


def _values(axes: Axes3D, layer: int, spots: Float[np.ndarray, "token 2"]) -> None:
    lines = np.stack([_at(layer - 1, spots), _at(layer, spots)], axis=1)
    axes.add_collection3d(Line3DCollection(lines, colors=colour.LINE2, linewidths=0.7))


def _nodes(
    axes: Axes3D, layer: int, spots: Float[np.ndarray, "token 2"], special: Sequence[int]
) -> None:
    fills = ["white" if token in special else colour.INK2 for token in range(len(spots))]
    x, y, z = _at(layer, spots).T
    axes.scatter(x, y, z, s=22, c=fills, edgecolors=colour.INK2, linewidths=0.8, depthshade=False)


def _names(axes: Axes3D, spots: Float[np.ndarray, "token 2"], tokens: Sequence[str]) -> None:
    for (x, y, z), token in zip(_at(0, 1.36 * spots), tokens, strict=True):
        text = axes.text(x, y, z, drawable(token), fontsize=10, ha="center", va="center")
        text.set(color=colour.INK2, family=FONT, parse_math=False)


def _classes(
    axes: Axes3D,
    layers: int,
    spots: Float[np.ndarray, "token 2"],
    classes: Mapping[str, float],
) -> None:
    heights = np.linspace(0.8, -0.8, len(classes)) if len(classes) > 1 else np.zeros(1)
    x = layers * _SPACING - 0.5
    for height, (name, probability) in zip(heights, classes.items(), strict=True):
        fan = [[place, (x, 0.0, height)] for place in _at(layers - 1, spots)]
        tone = colour.ramp(None)[40 + round(215 * probability)] / 255
        axes.add_collection3d(Line3DCollection(fan, colors=[tone], linewidths=0.4 + probability))
        axes.scatter([x], [0], [height], s=70, marker="s", c=[tone], edgecolors=colour.INK)
        text = axes.text(x + 0.25, 0, height, drawable(f"{name} {probability:.2f}"), fontsize=11)
        text.set(color=colour.INK, family=FONT, parse_math=False, va="center")


def _view(axes: Axes3D, planes: int) -> None:
    axes.set_axis_off()
    axes.patch.set_alpha(0)
    axes.set_xlim(-0.8, (planes - 1) * _SPACING + 0.8)
    axes.set_ylim(-1.2, 1.2)
    axes.set_zlim(-1.2, 1.2)
    axes.set_box_aspect((planes * _SPACING, 2.6, 2.6), zoom=1.0)
    axes.view_init(elev=8, azim=-56)
    axes.set_proj_type("ortho")


def _rgb(text: str) -> tuple[float, float, float]:
    red, green, blue = (int(text[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue
