"""Reads maps as the analysis wants them: one layer of one sentence, without padded heads."""

from __future__ import annotations

from attn_monitor.core.errors import NotRecordedError
from attn_monitor.core.maps import Maps
from attn_monitor.core.nouns import Probe, Split
from attn_monitor.store import Run
from attn_monitor.store.names import map_shape
from tb_plugin.server.means import attention_at

MOST_WEIGHTS = 2**27


def layer_of(run: Run, *, step: int, part: str, probe: Probe, layer: int) -> Maps:
    """Return the maps of one layer of a part on one sentence.

    Raises:
        NotRecordedError: They are not in the recording.
        CorruptRecordingError: The step's file is damaged.
    """
    which = run.part(part)
    asking, asked = probe.axes(which)
    return Maps(
        attn=attention_at(run, step=step, probe=probe.index, part=part, layer=layer),
        causal=which.causal,
        cross=which.kind == "cross" or asking != asked,
        special=asked.special,
        documents=asked.documents if asking == asked else (),
    )


def sentences_of(run: Run, *, step: int, part: str, split: Split) -> list[Probe]:
    """Return the sentences of a split whose maps were recorded at a step.

    Long texts are many: it stops after :data:`MOST_WEIGHTS` weights, with one sentence at least.

    Raises:
        NotRecordedError: No sentence of the split has maps at this step.
        CorruptRecordingError: The step's file is damaged.
    """
    found: list[Probe] = []
    weights = 0
    for probe in run.probes:
        if probe.split != split:
            continue
        layers, heads, queries, keys = map_shape(run.part(part), probe)
        weights += layers * heads * queries * keys
        if found and weights > MOST_WEIGHTS:
            break
        try:
            run.rows_sum_to_one(step=step, part=part, probe=probe.index)
        except NotRecordedError:
            continue
        found.append(probe)
    if not found:
        raise NotRecordedError(f"no {split} sentence has maps of part {part!r} at step {step}")
    return found
