"""The multi-planar graph of CS559: one plane per layer, a node per token, links by attention."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
from mpl_toolkits.mplot3d.axes3d import Axes3D

from attn_monitor.figures import canvas, colour
from attn_monitor.figures.planes.captions import headline
from attn_monitor.figures.planes.marks import Marks, class_spots, in_space, place_marks
from attn_monitor.figures.planes.paint import class_paint, link_paint, link_widths
from attn_monitor.figures.planes.picking import Inspector
from attn_monitor.figures.planes.scene import Scene
from attn_monitor.figures.text import FONT, drawable

WIDTH, HEIGHT = 1080, 640
_RIM = 1.12
_MOST_NAMES = 40  # more words around a ring than this and they run into each other


def plane_graph(scene: Scene, *, title: str, figure: Figure | None = None) -> Figure:
    """Return the layers of a model as planes in space.

    The same angle is the same token in all planes (NetworkX's circular layout). Links in a plane
    are attention, both directions added; the strength of a link is its width and its lightness,
    never opacity alone. Thin lines from plane to plane are the value step: each token's vector
    goes on, mixed with what its plane's links bring. Where a decoder reads an encoder, the words
    read are on a ring inside its planes. Links of special tokens are left out, their nodes are
    hollow. Drag to turn, drag with the right button to zoom, click a node or a link for its
    numbers.

    Args:
        scene: What is drawn, see :func:`attn_monitor.figures.planes.make_scene`.
        title: First line of the picture.
        figure: An empty figure to draw into, such as one that has a window; a new one by default.
    """
    figure, labels = canvas.blank(WIDTH, HEIGHT, figure=figure)
    labels.set_zorder(-1)  # below, so that the mouse meets the planes
    # A 3-D axes is always square; one as wide as the figure may stand out above and below.
    square = (0.0, (HEIGHT - WIDTH) / 2 / HEIGHT - 0.07, 1.0, WIDTH / HEIGHT)
    axes = figure.add_axes(square, projection="3d", computed_zorder=False)
    if not isinstance(axes, Axes3D):
        raise TypeError(f"Matplotlib gave {type(axes).__name__} for a 3-D projection")
    marks = place_marks(scene)
    for plane in range(len(scene.planes)):
        _disc(axes, plane, scene.planes[plane].name)
        _links(axes, scene, marks, plane)
        _nodes(axes, scene, plane)
    _values(axes, marks)
    _classes(axes, scene)
    _names(axes, scene)
    _view(axes, len(scene.planes) + bool(scene.classes))
    canvas.write(labels, 16, 34, title, size=26, bold=True)
    canvas.write(labels, 16, 64, headline(scene), size=15, ink=colour.INK2)
    Inspector(axes, labels, scene, marks).listen()
    return figure


def _disc(axes: Axes3D, plane: int, name: str) -> None:
    angle = np.linspace(0, 2 * np.pi, 60)
    rim = in_space(plane, _RIM * np.column_stack([np.cos(angle), np.sin(angle)]))
    axes.add_collection3d(
        Poly3DCollection([rim], facecolor=(*_rgb("#eef1f4"), 0.75), edgecolor=colour.LINE2)
    )
    x, y, z = in_space(plane, np.array([[0.0, _RIM + 0.45]]))[0]
    text = axes.text(x, y, z, drawable(name), fontsize=13, ha="center", color=colour.INK)
    text.set(family=FONT, parse_math=False)


def _links(axes: Axes3D, scene: Scene, marks: Marks, plane: int) -> None:
    segments = marks.links_of(plane)
    if len(segments):  # an empty collection has no place in a 3-D axes
        edges = scene.edges[plane]
        axes.add_collection3d(
            Line3DCollection(
                segments,
                colors=link_paint(edges, scene.style),
                linewidths=link_widths(edges, scene.style),
            )
        )


def _values(axes: Axes3D, marks: Marks) -> None:
    if len(marks.values):
        lines = Line3DCollection(marks.values, colors=colour.LINE2, linewidths=0.7)
        axes.add_collection3d(lines)


def _nodes(axes: Axes3D, scene: Scene, plane: int) -> None:
    maps = scene.planes[plane]
    fills = [colour.INK2] * maps.outer + [colour.LINE2] * maps.inner
    for special in maps.special:
        fills[special] = "white"
    x, y, z = in_space(plane, scene.spots[plane]).T
    axes.scatter(x, y, z, s=22, c=fills, edgecolors=colour.INK2, linewidths=0.8, depthshade=False)


def _names(axes: Axes3D, scene: Scene) -> None:
    """Write the words beside the first plane that shows them, those read inside their ring."""
    written: set[tuple[str, ...]] = set()
    for index, plane in enumerate(scene.planes):
        if plane.tokens in written:
            continue
        written.add(plane.tokens)
        spots = scene.spots[index]
        outward = spots / np.maximum(np.linalg.norm(spots, axis=1, keepdims=True), 1e-9)
        away = np.r_[np.full(plane.outer, 0.34), np.full(plane.inner, -0.17)]
        places = in_space(index, spots + away[:, None] * outward)
        step = -(-plane.outer // _MOST_NAMES)
        named = [*range(0, plane.outer, step), *range(plane.outer, len(spots), step)]
        for node in named:
            word = axes.text(*places[node], drawable(plane.tokens[node]), ha="center", va="center")
            word.set(color=colour.INK2, family=FONT, parse_math=False)
            word.set_fontsize(10 if node < plane.outer else 7)


def _classes(axes: Axes3D, scene: Scene) -> None:
    if not scene.classes:
        return
    last = in_space(len(scene.planes) - 1, scene.spots[-1])
    for node, spot in zip(scene.classes, class_spots(scene), strict=True):
        tone = colour.ramp(None)[40 + round(215 * node.probability)] / 255
        tones, widths = class_paint(node, len(last))
        fan = np.stack([last, np.broadcast_to(spot, last.shape)], axis=1)
        axes.add_collection3d(Line3DCollection(fan, colors=tones, linewidths=widths))
        x, y, z = spot
        axes.scatter([x], [y], [z], s=70, marker="s", c=[tone], edgecolors=colour.INK)
        name = drawable(f"{node.name} {node.probability:.2f}")
        text = axes.text(x + 0.25, y, z, name, fontsize=11)
        text.set(color=colour.INK, family=FONT, parse_math=False, va="center")


def _view(axes: Axes3D, planes: int) -> None:
    axes.set_axis_off()
    axes.patch.set_alpha(0)
    # At least as wide as five planes: one or two layers need not fill the picture.
    far = float(in_space(max(planes, 5) - 1, np.zeros((1, 2)))[0, 0])
    axes.set_xlim(-0.8, far + 0.8)
    axes.set_ylim(-1.2, 1.2)
    axes.set_zlim(-1.2, 1.2)
    axes.set_box_aspect((far + 1.6, 2.4, 2.4), zoom=1.0)
    axes.view_init(elev=8, azim=-56)
    axes.set_proj_type("ortho")


def _rgb(text: str) -> tuple[float, float, float]:
    red, green, blue = (int(text[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue
