"""What a run consists of, as JSON. Knows no HTTP, so that an offline page can be made of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from attn_monitor.core.types import Part, Probe, Split
from attn_monitor.store import Run, dump_tokens

Json = Mapping[str, object]
# Further sentences, recorded for HeadLens only, are nothing to page through.
SHOWN: Final[tuple[Split, ...]] = ("val", "train")


def describe_run(run: Run, name: str) -> Json:
    """Return everything about a run but its arrays; see ``http_api.md``, ``/run``.

    Args:
        run: A recording that does not change meanwhile.
        name: Its name in TensorBoard.
    """
    return {
        "name": name,
        "session": run.session,
        "version": run.version,
        "parts": [_part(run, run.part(part)) for part in run.parts],
        "metrics": [asdict(metric) for metric in run.metrics],
        "probes": [_probe(run, probe) for probe in run.probes if probe.split in SHOWN],
        "steps": [
            {
                "step": step,
                "epoch": epoch,
                "maps": run.has_maps(step),
                "vectors": run.has_vectors(step),
                "v": step_version(run, step),
                "scalars": dict(run.scalars(step)),
            }
            for step, epoch in zip(run.steps, run.epochs, strict=True)
        ],
        "options": dict(run.options),
        "problems": list(run.problems),
    }


def step_version(run: Run, step: int) -> str:
    """Return what identifies the maps of a step for good: they never change under it."""
    return f"{run.session}.{run.attempt(step)}"


def dump_json(value: Json) -> bytes:
    """Return strict JSON in ASCII; NaN and infinities become null, which every parser reads."""
    return json.dumps(_finite(value), allow_nan=False, separators=(",", ":")).encode("ascii")


def _part(run: Run, part: Part) -> Json:
    return {
        "name": part.name,
        "kind": part.kind,
        "causal": part.causal,
        "layers": [asdict(layer) for layer in part.layers],
        "uniform": run.uniform(part.name).tolist(),
    }


def _probe(run: Run, probe: Probe) -> Json:
    kept = run.kept(probe.index)
    return {
        "index": probe.index,
        "split": probe.split,
        "source": dump_tokens(probe.source),
        "target": None if probe.target is None else dump_tokens(probe.target),
        "kept": None if kept is None else asdict(kept),
    }


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
