"""The graph as numbers: nodes with places, links with strengths. No Matplotlib in here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.figures.planes.edges import Colour, Head, Norm, PlaneEdges
from attn_monitor.figures.planes.pruning import Pruning

Length = Literal["equal", "weight"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneMaps:
    """What one plane shows: the attention of one layer among its nodes.

    Attributes:
        name: ``"Layer 1"``.
        tokens: The word of every node.
        attn: Weights, rows ask; 0 where no attention is possible.
        even: The same of attention spread evenly over what each token may look at.
        inner: The last so many nodes are on a ring inside: those that cross-attention reads.
        special: Nodes that are not words; their links are not drawn.
    """

    name: str
    tokens: tuple[str, ...]
    attn: Float[np.ndarray, "head node node"]
    even: Float[np.ndarray, "node node"]
    inner: int = 0
    special: tuple[int, ...] = ()

    @property
    def outer(self) -> int:
        """How many nodes are on the outer ring."""
        return len(self.tokens) - self.inner


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassNode:
    """One output of a class layer.

    Attributes:
        name: The class.
        probability: Of this class for this sentence.
        shares: What every token of the last plane adds to the class's logit, where the class
            layer is linear in them; ``None`` where that is not known.
    """

    name: str
    probability: float
    shares: Float[np.ndarray, " token"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneStyle:
    """How a graph is to be read; :meth:`attn_monitor.Wrapper.draw` describes each choice.

    Raises:
        ConfigurationError: A choice that does not exist.
    """

    head: Head = "mean"
    norm: Norm = "uniform"
    colour: Colour = "weight"
    length: Length = "equal"
    pruning: Pruning = field(default_factory=Pruning)

    def __post_init__(self) -> None:
        for name, wanted in (("norm", Norm), ("colour", Colour), ("length", Length)):
            if getattr(self, name) not in get_args(wanted):
                raise ConfigurationError(
                    f"{name} {getattr(self, name)!r} is unknown; choose one of {get_args(wanted)}"
                )
        if not (isinstance(self.head, int) or self.head in {"mean", "max", "all"}):
            raise ConfigurationError(
                f"head {self.head!r} is unknown; give a number from 0, 'mean', 'max' or 'all'"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that is drawn.

    Attributes:
        style: How it is to be read.
        planes: What each plane shows, in order.
        spots: Where the nodes of each plane are, in its unit disc.
        edges: The links drawn in each plane.
        classes: The class layer's outputs; none where the model does not end in one.
    """

    style: SceneStyle
    planes: tuple[PlaneMaps, ...]
    spots: tuple[Float[np.ndarray, "_ 2"], ...]
    edges: tuple[PlaneEdges, ...]
    classes: tuple[ClassNode, ...] = ()

    def carried(self, plane: int) -> Int[np.ndarray, "link 2"]:
        """Return (node in this plane, node in the next) of the vectors that go on."""
        here, there = self.planes[plane], self.planes[plane + 1]
        links: list[tuple[int, int]] = []
        if here.tokens[: here.outer] == there.tokens[: there.outer]:
            links += [(i, i) for i in range(here.outer)]
        if here.inner and here.inner == there.inner:
            links += [(here.outer + i, there.outer + i) for i in range(here.inner)]
        elif there.inner and here.tokens[: here.outer] == there.tokens[there.outer :]:
            links += [(i, there.outer + i) for i in range(here.outer)]
        return np.array(links, dtype=int).reshape(-1, 2)
