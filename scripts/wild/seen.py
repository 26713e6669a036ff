"""What a recording holds, in a few lines, and how far it is from the library's own weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from attn_monitor import open_run

if TYPE_CHECKING:
    from watch import Watch

    from attn_monitor.store import Run


def what_was_recorded(folder: Path, watch: Watch) -> dict[str, object]:
    """Return steps, probes, parts and the largest difference from the library's own weights."""
    found = sorted({path.parents[1] for path in folder.rglob("plugins/attn_monitor")})
    if not found:
        return {}
    run = open_run(found[0])
    proofs = [run.untouched(step) for step in run.steps]
    return {
        "steps": len(run.steps),
        "probes": len(run.probes),
        "untouched": sum(proof is not None for proof in proofs),
        "put_back": sorted({name for proof in proofs if proof for name in proof.put_back}),
        "parts": [_part(run, name, watch) for name in run.parts],
    }


def _part(run: Run, name: str, watch: Watch) -> dict[str, object]:
    part, first = run.part(name), run.probes[0]
    query, key = first.axes(part)
    return {
        "name": name,
        "kind": part.kind,
        "causal": part.causal,
        "layers": len(part.layers),
        "heads": part.heads,
        "queries": len(query),
        "keys": len(key),
        "rows": part.rows,
        "words": part.words,
        "labels": [*query.text[:2], *query.text[-1:], *key.text[:2], *key.text[-1:]],
        "evidence": sorted({layer.evidence for layer in part.layers}),
        "modules": [layer.name for layer in part.layers],
        "off": [_distance(run, name, at, watch) for at in range(len(part.layers))],
    }


def _distance(run: Run, part: str, layer: int, watch: Watch) -> float | None:
    """The largest difference of any probe from the nearest row that the library gave out."""
    module = run.part(part).layers[layer].name
    own = [weights for at, weights in watch.own.items() if module == at or module.startswith(at)]
    if not own:
        return None
    step, worst = run.steps[-1], 0.0
    for probe in run.probes:
        if probe.split != "val":
            continue
        ours = np.asarray(run.attention(step=step, probe=probe.index, part=part, layer=layer))
        nearest = min(_nearest(ours, batch.double().numpy()) for batch in own[0])
        worst = max(worst, nearest)
    return worst


def _nearest(ours: np.ndarray, rows: np.ndarray) -> float:
    if rows.shape[1] == 1:
        ours = ours.mean(axis=0, keepdims=True)  # the library gives the mean over its heads
    if rows.shape[1:] != ours.shape:
        return float("inf")
    return float(np.abs(rows - ours).max(axis=(1, 2, 3)).min())
