"""From a captured pass and the user's options to a figure on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from attn_monitor.capture import AttentionCapture
from attn_monitor.figures.planes import (
    ClassNode,
    Colour,
    Head,
    Length,
    Norm,
    PlaneMaps,
    Pruning,
    SceneStyle,
    make_scene,
    plane_graph,
)
from attn_monitor.wrapper.class_layer import class_nodes
from attn_monitor.wrapper.planes_of import Sentence, planes_of
from attn_monitor.wrapper.screen import empty_figure, put_on_screen


def draw(
    attention: AttentionCapture,
    *,
    training: bool,
    part: str | None,
    sentence: int,
    tokens: Sequence[str] | None,
    target_tokens: Sequence[str] | None,
    classes: Sequence[str] | None,
    head: Head,
    norm: Norm,
    colour: Colour | None,
    length: Length,
    per_token: float | None,
    count: int | None,
    level: float | None,
    mass: float | None,
    against: AttentionCapture | None,
    special: bool,
    show: bool,
) -> Figure:
    """Draw a captured pass; :meth:`attn_monitor.Wrapper.draw` describes the options."""
    if colour is None:
        by_head: Colour = "head" if head == "all" else "weight"
        colour = "change" if against is not None else by_head
    style = SceneStyle(
        head=head,
        norm=norm,
        colour=colour,
        length=length,
        pruning=Pruning(per_token=per_token, count=count, level=level, mass=mass),
    )
    shown = Sentence(
        index=sentence, part=part, tokens=tokens, target_tokens=target_tokens, special=special
    )
    planes = planes_of(attention, shown)
    outputs = class_nodes(attention, sentence=sentence, names=classes, tokens=planes[-1].outer)
    scene = make_scene(
        _with_what_is_read(planes, outputs),
        style=style,
        against=None if against is None else planes_of(against, shown),
        classes=outputs,
    )
    mode = "training mode" if training else "evaluation mode"
    heads = f"head {head + 1}" if isinstance(head, int) else _HEADS[head]
    streams = part or " and ".join(
        name for name in ("encoder", "decoder") if name in attention.parts
    )
    title = ", ".join(text for text in (streams, heads, mode) if text)
    figure = plane_graph(scene, title=title, figure=empty_figure() if show else None)
    if show:
        put_on_screen(figure)
    return figure


def _with_what_is_read(
    planes: tuple[PlaneMaps, ...], classes: Sequence[ClassNode]
) -> tuple[PlaneMaps, ...]:
    """Show the links of the token that the class layer reads: they reach the output."""
    if not classes or classes[0].shares is None:
        return planes
    read = set(np.flatnonzero(classes[0].shares).tolist())
    last = planes[-1]
    return (*planes[:-1], replace(last, special=tuple(i for i in last.special if i not in read)))


_HEADS = {"mean": "mean of heads", "max": "maximum of heads", "all": "all heads"}
