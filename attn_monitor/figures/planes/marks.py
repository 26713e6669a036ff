"""Where every mark of a scene is in space: what is drawn there, and what a click there means."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from attn_monitor.figures.planes.places import Spots
from attn_monitor.figures.planes.scene import Scene

_SPACING = 1.75  # between planes, in radii
_BESIDE = 0.035  # between the links of two heads that join the same words

Segments = Float[np.ndarray, "link 2 3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Points and lines of a scene, each with where it comes from.

    Attributes:
        nodes: Every node of every plane, then the classes.
        node_of: (plane, node) of each; plane is the number of planes for a class.
        links: Every drawn link.
        link_of: (plane, index into the plane's edges) of each.
        values: Every line from plane to plane.
        value_of: (plane before, its node, node in the next plane) of each.
    """

    nodes: Float[np.ndarray, "node 3"]
    node_of: Int[np.ndarray, "node 2"]
    links: Segments
    link_of: Int[np.ndarray, "link 2"]
    values: Float[np.ndarray, "line 2 3"]
    value_of: Int[np.ndarray, "line 3"]

    def links_of(self, plane: int) -> Segments:
        """Return the links of one plane."""
        return np.asarray(self.links[self.link_of[:, 0] == plane])


def in_space(plane: int, spots: Spots) -> Float[np.ndarray, "node 3"]:
    """Return places in a plane as points in space; planes follow each other along x."""
    return np.column_stack([np.full(len(spots), plane * _SPACING), spots])


def class_spots(scene: Scene) -> Float[np.ndarray, "node 3"]:
    """Return where the class nodes are: in a column behind the last plane."""
    count = len(scene.classes)
    heights = np.linspace(0.8, -0.8, count) if count > 1 else np.zeros(count)
    behind = len(scene.planes) * _SPACING - 0.5
    return np.column_stack([np.full(count, behind), np.zeros(count), heights])


def place_marks(scene: Scene) -> Marks:
    """Return every mark of the scene."""
    points = [in_space(plane, spots) for plane, spots in enumerate(scene.spots)]
    origins = [
        np.column_stack([np.full(len(spots), plane), np.arange(len(spots))])
        for plane, spots in enumerate([*scene.spots, class_spots(scene)])
    ]
    links = [_links(scene, plane, spots) for plane, spots in enumerate(points)]
    link_of = [
        np.column_stack([np.full(len(each), plane), np.arange(len(each))])
        for plane, each in enumerate(links)
    ]
    pairs = [scene.carried(plane) for plane in range(len(scene.planes) - 1)]
    values = [
        np.stack([here[pair[:, 0]], there[pair[:, 1]]], axis=1)
        for pair, (here, there) in zip(pairs, pairwise(points), strict=True)
    ]
    value_of = [
        np.column_stack([np.full(len(pair), plane), pair]) for plane, pair in enumerate(pairs)
    ]
    return Marks(
        nodes=np.concatenate([*points, class_spots(scene)]),
        node_of=np.concatenate(origins),
        links=np.concatenate(links),
        link_of=np.concatenate(link_of),
        values=np.concatenate([np.zeros((0, 2, 3)), *values]),
        value_of=np.concatenate([np.zeros((0, 3), dtype=int), *value_of]),
    )


def _links(scene: Scene, plane: int, points: Float[np.ndarray, "node 3"]) -> Segments:
    edges = scene.edges[plane]
    segments = np.asarray(points[edges.pairs]).reshape(-1, 2, 3)
    if scene.style.head != "all" or not len(segments):
        return segments
    # Two heads may join the same two words: their links lie side by side.
    along = segments[:, 1, 1:] - segments[:, 0, 1:]
    across = np.column_stack([-along[:, 1], along[:, 0]])
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    middle = (len(scene.planes[plane].attn) - 1) / 2
    aside = _BESIDE * (edges.head - middle)[:, None] * across
    segments[:, :, 1:] += aside[:, None]
    return segments
