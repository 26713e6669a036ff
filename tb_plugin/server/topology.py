"""The shape of one head's attention on one sentence. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attn_monitor.analysis.topology import NotComputed, head_topology
from attn_monitor.analysis.topology.graph import Direction
from attn_monitor.core.errors import NotRecordedError
from attn_monitor.store import Run
from tb_plugin.server.plain import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyQuery:
    """Which head's topology is wanted.

    Attributes:
        step: A recorded step.
        part: Name of a part.
        probe: Index of a probe.
        layer: Layer in execution order.
        head: One head, or ``None`` for the mean over the layer's heads.
        weight: How the two directions of a pair become one edge.
        least: Weight from which on an edge counts, in thousandths.
    """

    step: int
    part: str
    probe: int
    layer: int
    head: int | None
    weight: Direction
    least: int


def describe_topology(run: Run, query: TopologyQuery) -> Mapping[str, object]:
    """Return components, loops, cavities, cliques and groups; see ``http_api.md``, ``/topology``.

    Raises:
        NotRecordedError: The maps are not in the recording, or there is no such head.
        CorruptRecordingError: The step's file is damaged.
    """
    attn = run.attention(step=query.step, probe=query.probe, part=query.part, layer=query.layer)
    if query.head is not None and query.head >= len(attn):
        raise NotRecordedError(f"no head {query.head} in this layer; it has {len(attn)}, from 0")
    chosen = attn.mean(axis=0) if query.head is None else attn[query.head]
    shape = head_topology(chosen, weight=query.weight, least=query.least / 1000)
    if isinstance(shape, NotComputed):
        return {"topology": None, "reason": shape.reason}
    return {"topology": plain(shape), "reason": None}
