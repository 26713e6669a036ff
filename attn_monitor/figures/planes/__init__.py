"""The multi-planar graph of CS559: what is drawn, where, how strong, and what a click says."""

from attn_monitor.figures.planes.choose import make_scene
from attn_monitor.figures.planes.draw import plane_graph
from attn_monitor.figures.planes.edges import Colour, Head, Norm
from attn_monitor.figures.planes.pruning import Pruning
from attn_monitor.figures.planes.scene import ClassNode, Length, PlaneMaps, Scene, SceneStyle

__all__ = [
    "ClassNode",
    "Colour",
    "Head",
    "Length",
    "Norm",
    "PlaneMaps",
    "Pruning",
    "Scene",
    "SceneStyle",
    "make_scene",
    "plane_graph",
]
