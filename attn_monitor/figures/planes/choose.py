"""From the attention of each plane to what is drawn: heads joined, links chosen, nodes placed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.figures.planes.edges import Head, PlaneEdges, link_weights
from attn_monitor.figures.planes.places import Spots, ring_layout, weight_layout
from attn_monitor.figures.planes.scene import ClassNode, PlaneMaps, Scene, SceneStyle


def make_scene(
    planes: Sequence[PlaneMaps],
    *,
    style: SceneStyle,
    against: Sequence[PlaneMaps] | None = None,
    classes: Sequence[ClassNode] = (),
) -> Scene:
    """Choose the links of every plane and place its nodes.

    Args:
        planes: What each plane shows.
        style: How it is to be read.
        against: The same planes at an earlier time: links then show what has changed since.
        classes: Outputs of a class layer.

    Raises:
        ConfigurationError: A head that a layer does not have, or other planes to compare with.
    """
    if isinstance(style.head, int):
        fewest = min(len(plane.attn) for plane in planes)
        if not 0 <= style.head < fewest:
            raise ConfigurationError(f"head {style.head} is not one of 0 to {fewest - 1}")
    if (style.colour == "change") != (against is not None):
        raise ConfigurationError(
            "colour='change' shows what differs from an earlier pass: give both it and against="
        )
    if against is not None:
        _check_same(planes, against)
    return Scene(
        style=style,
        planes=tuple(planes),
        spots=_places(planes, style),
        edges=tuple(
            _edges(plane, None if against is None else against[i], style)
            for i, plane in enumerate(planes)
        ),
        classes=tuple(classes),
    )


def _check_same(planes: Sequence[PlaneMaps], against: Sequence[PlaneMaps]) -> None:
    now, then = ([plane.attn.shape for plane in each] for each in (planes, against))
    if now != then:
        raise ConfigurationError(
            f"against= has planes of {then} [head node node], this pass of {now}; give an "
            "earlier pass of the same model on the same sentence"
        )


def _edges(plane: PlaneMaps, before: PlaneMaps | None, style: SceneStyle) -> PlaneEdges:
    """Return the links of one plane: of its heads joined, or of every head for itself."""
    if style.head == "all":
        alone = range(len(plane.attn))
        return _stacked([_links(plane, before, style, head) for head in alone])
    return _links(plane, before, style, style.head)


def _links(plane: PlaneMaps, before: PlaneMaps | None, style: SceneStyle, head: Head) -> PlaneEdges:
    even = plane.even + plane.even.T
    first, second = np.nonzero(np.triu(even, 1))
    maps = _join(plane.attn, head)
    weight = (maps + maps.T)[first, second]
    strength = link_weights(maps, norm=style.norm, even=even)[first, second]
    change = np.zeros_like(weight)
    if before is not None:
        was = link_weights(_join(before.attn, head), norm=style.norm, even=even)
        change = strength - was[first, second]
    shown = weight if before is None else np.abs(change)
    words = ~(np.isin(first, plane.special) | np.isin(second, plane.special))
    kept = style.pruning.keep(
        np.where(words, shown, 0.0),
        strength if before is None else shown,
        tokens=len(plane.tokens),
        every=float(shown.sum()),
    )
    chosen = np.flatnonzero(kept)
    chosen = chosen[np.argsort(shown[chosen], kind="stable")]
    pairs = np.stack([first[chosen], second[chosen]], axis=-1)
    by_head = (plane.attn + plane.attn.transpose(0, 2, 1))[:, pairs[:, 0], pairs[:, 1]]
    return PlaneEdges(
        pairs=pairs,
        weight=weight[chosen],
        strength=strength[chosen],
        change=change[chosen],
        head=np.full(len(chosen), head) if isinstance(head, int) else by_head.argmax(0),
        total=len(first),
        share=float(shown[chosen].sum() / shown.sum()) if shown.any() else 0.0,
    )


def _join(attn: Float[np.ndarray, "head node node"], head: Head) -> Float[np.ndarray, "node node"]:
    if isinstance(head, int):
        return np.asarray(attn[head])
    return np.asarray(attn.max(0) if head == "max" else attn.mean(0))


def _stacked(each: Sequence[PlaneEdges]) -> PlaneEdges:
    """Return the links of several heads as one plane's, weakest first."""
    order = np.argsort(np.concatenate([e.strength for e in each]), kind="stable")
    return PlaneEdges(
        pairs=np.concatenate([e.pairs for e in each])[order],
        weight=np.concatenate([e.weight for e in each])[order],
        strength=np.concatenate([e.strength for e in each])[order],
        change=np.concatenate([e.change for e in each])[order],
        head=np.concatenate([e.head for e in each])[order],
        total=sum(e.total for e in each),
        share=float(np.mean([e.share for e in each])),
    )


def _places(planes: Sequence[PlaneMaps], style: SceneStyle) -> tuple[Float[np.ndarray, "_ 2"], ...]:
    """Place nodes so that planes with the same tokens have them at the same places."""
    groups: dict[tuple[tuple[str, ...], int], list[PlaneMaps]] = {}
    for plane in planes:
        groups.setdefault((plane.tokens, plane.inner), []).append(plane)
    found: dict[tuple[tuple[str, ...], int], Spots] = {}
    for key, members in groups.items():
        found[key] = ring_layout(members[0].outer, members[0].inner)
        if style.length == "weight":
            strengths = [
                link_weights(
                    _join(plane.attn, style.head), norm=style.norm, even=plane.even + plane.even.T
                )
                for plane in members
            ]
            found[key] = weight_layout(np.mean(strengths, axis=0), found[key])
    return tuple(found[plane.tokens, plane.inner] for plane in planes)
