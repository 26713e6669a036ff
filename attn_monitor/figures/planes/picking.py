"""Click on a node or a link of the graph and read its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backend_bases import Event, MouseEvent
from mpl_toolkits.mplot3d import proj3d
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from mpl_toolkits.mplot3d.axes3d import Axes3D

from attn_monitor.figures import colour
from attn_monitor.figures.planes import captions
from attn_monitor.figures.planes.marks import Marks
from attn_monitor.figures.planes.scene import Scene
from attn_monitor.figures.text import FONT, drawable

NODE_REACH, LINK_REACH = 9.0, 6.0  # pixels around a mark that still mean it
_A_CLICK = 4.0  # pixels the mouse may move between press and release


@dataclass(frozen=True, slots=True)
class Picked:
    """What was clicked: the kind of mark and its number in :class:`Marks`."""

    kind: Literal["node", "link", "value"]
    index: int


def nearest(
    spot: Float[np.ndarray, " 2"],
    nodes: Float[np.ndarray, "node 2"],
    links: Float[np.ndarray, "end 2"],
    values: Float[np.ndarray, "other_end 2"],
) -> Picked | None:
    """Return the mark under a spot on the screen: nodes first, then links, then value lines.

    Args:
        spot: Where the mouse is, in pixels.
        nodes: Where the nodes are.
        links: Both ends of every link, one after the other.
        values: Both ends of every line from plane to plane.
    """
    if len(nodes):
        away = np.linalg.norm(nodes - spot, axis=1)
        if away.min() <= NODE_REACH:
            return Picked("node", int(away.argmin()))
    for kind, ends in (("link", links), ("value", values)):
        away = _distances(spot, ends)
        if len(away) and away.min() <= LINK_REACH:
            return Picked("link" if kind == "link" else "value", int(away.argmin()))
    return None


def _distances(
    spot: Float[np.ndarray, " 2"], ends: Float[np.ndarray, "end 2"]
) -> Float[np.ndarray, " link"]:
    """Return how far a spot is from every line segment."""
    start, end = ends[::2], ends[1::2]
    along = end - start
    square = np.maximum((along**2).sum(1), 1e-12)
    share = np.clip(((spot - start) * along).sum(1) / square, 0, 1)
    return np.asarray(np.linalg.norm(start + share[:, None] * along - spot, axis=1))


class Inspector:
    """Tell the numbers of what is clicked and light up its links."""

    def __init__(self, axes: Axes3D, labels: Axes, scene: Scene, marks: Marks) -> None:
        self._axes = axes
        self._scene = scene
        self._marks = marks
        self._pressed: tuple[float, float] | None = None
        self._lit: Line3DCollection | None = None
        self._note = labels.text(
            *(16, 624),
            "Click a word or a link for its numbers; drag to turn, right button to zoom.",
            fontsize=10.5,
            va="bottom",
            color=colour.INK2,
            family=FONT,
            parse_math=False,
            linespacing=1.45,
        )

    def listen(self) -> None:
        """React to the mouse for as long as the figure lives."""
        canvas = self._axes.get_figure(root=True).canvas
        # Plain functions: the figure holds these strongly, and bound methods only weakly.
        canvas.mpl_connect("button_press_event", lambda event: self._press(event))  # noqa: PLW0108
        canvas.mpl_connect("button_release_event", lambda event: self._release(event))  # noqa: PLW0108

    def _press(self, event: Event) -> None:
        if isinstance(event, MouseEvent) and event.button == 1:
            self._pressed = (event.x, event.y)

    def _release(self, event: Event) -> None:
        if not isinstance(event, MouseEvent) or self._pressed is None or event.button != 1:
            return
        moved = np.hypot(event.x - self._pressed[0], event.y - self._pressed[1])
        self._pressed = None
        if moved <= _A_CLICK:
            self._show(self._under(event.x, event.y))

    def _under(self, x: float | int, y: float | int) -> Picked | None:
        marks = self._marks
        return nearest(
            np.array([x, y], dtype=float),
            self._on_screen(marks.nodes),
            self._on_screen(marks.links.reshape(-1, 3)),
            self._on_screen(marks.values.reshape(-1, 3)),
        )

    def _on_screen(self, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point 2"]:
        x, y, _ = proj3d.proj_transform(*points.T, self._axes.get_proj())
        return np.asarray(self._axes.transData.transform(np.column_stack([x, y])))

    def _show(self, picked: Picked | None) -> None:
        if self._lit is not None:
            self._lit.remove()
            self._lit = None
        lines, segments = self._about(picked)
        self._note.set_text("\n".join(drawable(line) for line in lines))
        if len(segments):
            self._lit = Line3DCollection(segments, colors=colour.ACCENT, linewidths=2.6)
            self._axes.add_collection3d(self._lit, autolim=False)
        self._axes.get_figure(root=True).canvas.draw_idle()

    def _about(
        self, picked: Picked | None
    ) -> tuple[tuple[str, ...], Float[np.ndarray, "link 2 3"]]:
        scene, marks = self._scene, self._marks
        if picked is None:
            return (), np.zeros((0, 2, 3))
        if picked.kind == "link":
            plane, link = (int(n) for n in marks.link_of[picked.index])
            return captions.about_link(scene, plane, link), marks.links[[picked.index]]
        if picked.kind == "value":
            plane, node, _ = (int(n) for n in marks.value_of[picked.index])
            return captions.about_value(scene, plane, node), marks.values[[picked.index]]
        plane, node = (int(n) for n in marks.node_of[picked.index])
        if plane == len(scene.planes):
            return captions.about_class(scene, node), np.zeros((0, 2, 3))
        own = (scene.edges[plane].pairs == node).any(axis=1)
        return captions.about_node(scene, plane, node), marks.links_of(plane)[own]
