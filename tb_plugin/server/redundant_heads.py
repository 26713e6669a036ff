"""Which heads of a part do the same, nothing in particular, or nothing. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from attn_monitor.analysis.methods.redundancy import idle_heads, redundant_pairs
from attn_monitor.signals.dormant import DormantHead, dormant_heads
from attn_monitor.store import Run
from tb_plugin.server.head_maps import layer_of, sentences_of
from tb_plugin.server.plain import plain
from tb_plugin.server.queries import RedundancyQuery

MOST_SENTENCES = 8


def describe_redundancy(run: Run, query: RedundancyQuery) -> Mapping[str, object]:
    """Return pairs of like heads and idle heads; see ``http_api.md``, ``/redundancy``.

    Raises:
        NotRecordedError: No sentence of the split has maps at this step.
        CorruptRecordingError: The step's file is damaged.
    """
    step, part = query.step, query.part
    sentences = sentences_of(run, step=step, part=part, split=query.split)[:MOST_SENTENCES]
    layers = range(len(run.part(part).layers))
    chosen = [
        tuple(layer_of(run, step=step, part=part, probe=probe, layer=layer) for layer in layers)
        for probe in sentences
    ]
    return {
        "step": query.step,
        "part": query.part,
        "split": query.split,
        "sentences": len(chosen),
        "pairs": plain(redundant_pairs(chosen)),
        "idle": plain(idle_heads(chosen)),
        "dormant": plain(_dormant(run, query)),
        "importance": _importance(run, query.step),
    }


def _importance(run: Run, step: int) -> Mapping[str, object] | None:
    """Return what muting heads did at a step, or last before it; ``None`` where nobody measured."""
    before = (run.importance(each) for each in reversed(run.steps) if each <= step)
    found = next((each for each in before if each is not None), None)
    return None if found is None else found.as_json()


def _dormant(run: Run, query: RedundancyQuery) -> tuple[DormantHead, ...] | None:
    """Return the heads that sleep at a step or slept before; ``None`` where it is not known."""
    if "writes_share" not in {spec.name for spec in run.metrics}:
        return None  # an earlier recording
    end = run.steps.index(query.step) + 1
    shares = run.metric("writes_share", part=query.part, split=query.split)[:end]
    layers = run.part(query.part).layers
    return dormant_heads(shares, run.steps[:end], [layer.heads for layer in layers])
