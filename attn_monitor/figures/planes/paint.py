"""Width and colour of links: strength is both, so that it survives print and colour blindness."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.figures import colour
from attn_monitor.figures.planes.edges import PlaneEdges
from attn_monitor.figures.planes.scene import ClassNode, SceneStyle

Paint = Float[np.ndarray, "link 3"]
_PALEST = 60  # of 255: a link that is drawn can be seen


def link_paint(edges: PlaneEdges, style: SceneStyle) -> Paint:
    """Return a colour per link: by weight, by head, or by what has changed.

    Weight runs along the slate ramp, a head's links along the ramp of its hue, and change from
    blue (less than before) to red (more).
    """
    if style.colour == "change":
        # On a square-root scale, as weights are: most change is small and none must be invisible.
        signed = np.sign(edges.change) * np.sqrt(np.abs(edges.change))
        return np.asarray(colour.diverging()[np.rint(255 + 255 * signed).astype(int)] / 255)
    steps = np.maximum(np.rint(255 * np.sqrt(edges.strength)).astype(int), _PALEST)
    if style.colour == "head":
        tones = [colour.ramp(int(h))[s] for h, s in zip(edges.head, steps, strict=True)]
        return np.array(tones).reshape(-1, 3) / 255
    return np.asarray(colour.ramp(None)[steps] / 255)


def link_widths(edges: PlaneEdges, style: SceneStyle) -> Float[np.ndarray, " link"]:
    """Return a width per link, in points."""
    shown = np.abs(edges.change) if style.colour == "change" else edges.strength
    return np.asarray(0.5 + 4.0 * shown)


def class_paint(node: ClassNode, tokens: int) -> tuple[Paint, Float[np.ndarray, " token"]]:
    """Return colours and widths of the lines from the last plane's tokens to a class.

    Where the share of every token is known: red speaks for the class, blue against it. Else all
    lines are alike and only the class's probability shows.
    """
    if node.shares is None:
        tone = colour.ramp(None)[40 + round(215 * node.probability)] / 255
        return np.tile(tone, (tokens, 1)), np.full(tokens, 0.4 + node.probability)
    shares = np.zeros(tokens)
    shares[: len(node.shares)] = node.shares
    relative = shares / (np.abs(shares).max() or 1.0)
    tones = colour.diverging()[np.rint(255 + 255 * relative).astype(int)] / 255
    return np.asarray(tones), np.asarray(2.5 * np.abs(relative))
