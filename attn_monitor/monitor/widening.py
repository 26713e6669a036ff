"""Layers that begin to attend while a recording goes on: parts of their own from then on."""

from __future__ import annotations

from dataclasses import replace

from attn_monitor.core.nouns import PartAxes
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.guard import Replay
from attn_monitor.monitor.layout import Layout, find_layout
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.recorder import Recorder


def widened(
    recorder: Recorder,
    replay: Replay,
    *,
    step: int,
    options: MonitorOptions,
    failures: Failures,
) -> Layout | None:
    """Return the layout with layers that attend since now, as further parts; ``None`` without.

    It is said once what they are, and whether they are recorded.

    Args:
        recorder: What observed them; it forgets that they are late.
        replay: Runs one probe batch through the model as it is now.
        step: Optimizer steps taken; the new parts are called by it.
        options: What the user set.
        failures: Where problems are reported.
    """
    late = tuple(recorder.late)
    recorder.late.clear()
    found: Layout | None = None
    with failures.contained("looking at layers that attend since now"):
        layout = recorder.layout
        more = find_layout(
            recorder.model,
            layout.batches,
            replay,
            tokens=options.tokens,
            labels=options.labels(failures),
            failures=failures,
            known=layout.known,
        )
        found = _joined(layout, more, step=step)
    names = ", ".join(dict.fromkeys(module or "the model" for module, _ in late))
    recorded = "" if found is None else "; recorded from here on, as a part of its own"
    failures.report(
        f"{names} did not attend when the recording began and does now{recorded}",
        doing="recording attention",
    )
    if found is None:  # and not tried at every step
        recorder.layout = replace(recorder.layout, known=recorder.layout.known | {*late})
    return found


def _joined(layout: Layout, more: Layout, *, step: int) -> Layout | None:
    """Return both as one; ``None`` where the sentences are no longer those of the first."""
    if [batch.rows for batch in more.batches] != [batch.rows for batch in layout.batches]:
        return None
    names = {part.name: f"{part.name} (from step {step})" for part in more.parts}
    axes = [
        tuple(
            PartAxes(part=names[part.name], query=query, key=key)
            for part in more.parts
            for query, key in (probe.axes(part),)
        )
        for probe in more.probes
    ]
    pieces = [
        {
            key: tuple(replace(piece, part=names[piece.part]) for piece in found)
            for key, found in of.items()
        }
        for of in more.pieces
    ]
    return replace(
        layout,
        parts=(
            *layout.parts,
            *(replace(part, name=names[part.name]) for part in more.parts),
        ),
        pieces=tuple(
            {**before, **later} for before, later in zip(layout.pieces, pieces, strict=True)
        ),
        known=layout.known | more.known,
        probes=tuple(
            replace(probe, own_axes=(*probe.own_axes, *own))
            for probe, own in zip(layout.probes, axes, strict=True)
        ),
        widths={**layout.widths, **{names[name]: width for name, width in more.widths.items()}},
        gaps=tuple(dict.fromkeys((*layout.gaps, *more.gaps))),
    )
