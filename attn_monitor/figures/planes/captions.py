"""What the graph says in words: its second line, and what a click on a mark tells."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.figures.planes.scene import PlaneMaps, Scene

_NAMED = 3  # words named in a list


def headline(scene: Scene) -> str:
    """Return how much is drawn of what, and in which measure."""
    drawn = sum(len(edges.pairs) for edges in scene.edges)
    total = sum(edges.total for edges in scene.edges)
    share = float(np.mean([edges.share for edges in scene.edges]))
    style = scene.style
    of_what = "change" if style.colour == "change" else "weight"
    text = f"{drawn} of {total} links, {100 * share:.0f} % of their {of_what}"
    return f"{text}; strength: {style.norm}; colour: {style.colour}"


def about_node(scene: Scene, plane: int, node: int) -> tuple[str, ...]:
    """Return who looks at a token and whom it looks at."""
    maps = scene.planes[plane]
    attn = maps.attn.mean(0)
    lines = [f"{maps.tokens[node]}   {maps.name.lower()}"]
    if maps.even[:, node].any():
        received, even = attn[:, node].sum(), maps.even[:, node].sum()
        lines.append(f"receives {received:.2f}, {received / even:.1f} x an even share")
        lines.append(f"looked at by  {_list(maps, attn[:, node])}")
    if maps.even[node].any():
        lines.append(f"looks at  {_list(maps, attn[node])}")
    return (*lines, "mean of all heads")


def about_link(scene: Scene, plane: int, link: int) -> tuple[str, ...]:
    """Return the attention in both directions, and which head has most of it."""
    maps, edges = scene.planes[plane], scene.edges[plane]
    first, second = (int(node) for node in edges.pairs[link])
    one, other = maps.tokens[first], maps.tokens[second]
    head = int(edges.head[link])
    single = scene.style.head == "all" or isinstance(scene.style.head, int)
    attn = maps.attn[head] if single else _joined(scene, maps)
    even = maps.even[first, second] + maps.even[second, first]
    by_head = maps.attn[:, first, second] + maps.attn[:, second, first]
    lines = [
        f"{one} - {other}   {maps.name.lower()}" + (f", head {head + 1}" if single else ""),
        f"{one} looks at {other}: {attn[first, second]:.3f}",
        f"{other} looks at {one}: {attn[second, first]:.3f}",
        f"together {edges.weight[link]:.3f}, {edges.weight[link] / even:.1f} x even",
    ]
    if scene.style.colour == "change":
        lines.append(f"strength {edges.change[link]:+.3f} since the earlier pass")
    best = int(by_head.argmax())
    return (*lines, f"strongest in head {best + 1}: {by_head[best]:.3f}")


def about_value(scene: Scene, plane: int, node: int) -> tuple[str, ...]:
    """Return what a line from plane to plane stands for."""
    here, there = scene.planes[plane], scene.planes[plane + 1]
    own = float(here.attn[:, node, node].mean())
    return (
        f"{here.tokens[node]}   {here.name.lower()} to {there.name.lower()}",
        "value step: its vector goes on, mixed with",
        f"the values of what it looks at; itself: {own:.3f}",
    )


def about_class(scene: Scene, index: int) -> tuple[str, ...]:
    """Return a class's probability and which tokens speak for and against it."""
    node, last = scene.classes[index], scene.planes[-1]
    lines = [f"{node.name}   probability {node.probability:.3f}"]
    if node.shares is None:
        return (*lines, "what each word adds is not known:", "its layers are not linear in them")
    for what, sign in (("for it", 1.0), ("against", -1.0)):
        order = np.argsort(-sign * node.shares)[:_NAMED]
        named = [
            f"{last.tokens[i]} {node.shares[i]:+.2f}" for i in order if sign * node.shares[i] > 0
        ]
        lines.append(f"{what}  {', '.join(named) or 'none'}")
    return (*lines, "parts of its logit")


def _joined(scene: Scene, maps: PlaneMaps) -> Float[np.ndarray, "node node"]:
    return np.asarray(maps.attn.max(0) if scene.style.head == "max" else maps.attn.mean(0))


def _list(maps: PlaneMaps, weights: Float[np.ndarray, " node"]) -> str:
    order = np.argsort(-weights, kind="stable")[:_NAMED]
    return ", ".join(f"{maps.tokens[i]} {weights[i]:.2f}" for i in order if weights[i] > 0)
