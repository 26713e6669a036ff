"""What a run consists of, as JSON. Knows no HTTP, so that an offline page can be made of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict

from attn_monitor.core.kept import Kept
from attn_monitor.core.nouns import Part, Probe
from attn_monitor.signals.losses import best_step
from attn_monitor.store import Run, dump_own_axes, dump_tokens, proofs_of
from tb_plugin.server.excerpt import Excerpt, everything
from tb_plugin.server.means import means_of
from tb_plugin.server.plain import told

Json = Mapping[str, object]


def describe_run(run: Run, name: str, *, excerpt: Excerpt | None = None) -> Json:
    """Return everything about a run but its arrays; see ``http_api.md``, ``/run``.

    Args:
        run: A recording that does not change meanwhile.
        name: Its name in TensorBoard.
        excerpt: What of it can be asked for; all of it by default.
    """
    there = excerpt or everything(run)
    return {
        "name": name,
        "session": run.session,
        "version": run.version,
        "parts": [_part(run, run.part(part)) for part in there.parts],
        "metrics": [asdict(metric) for metric in run.metrics],
        "probes": [
            _probe(run, probe, run.kept(probe.index)) for probe in map(run.probe, there.probes)
        ],
        "means": [
            {**_probe(run, mean.probe, None), "mean_of": list(mean.of)}
            for mean in means_of(run, there.probes)
            if there.means is None or mean.probe.index in there.means
        ],
        "steps": [
            {
                "step": step,
                "epoch": epoch,
                "maps": step in there.maps,
                "no_maps": _why_no_maps(run, step, there),
                "vectors": step in there.vectors,
                "v": run.writing(step),
                "scalars": told(run.scalars(step)),
            }
            for step, epoch in zip(run.steps, run.epochs, strict=True)
        ],
        "best": _best(run),
        "untouched": _untouched(run),
        "classes": None if run.classes is None else asdict(run.classes),
        "options": dict(run.options),
        "problems": [*run.problems, *there.notes],
    }


def describe_classes(run: Run, *, step: int, probe: int) -> Json:
    """Return the class scores of one probe and what every token adds; see ``/classes``.

    Raises:
        NotRecordedError: The model has no classes, or the step was recorded without or thinned.
    """
    answer = run.class_answer(step=step, probe=probe)
    return {
        "scores": told(answer.scores.tolist()),
        "contributions": told(answer.contributions.tolist()),
        "method": answer.method,
    }


def dump_json(value: Json) -> bytes:
    """Return strict JSON in ASCII; what is not finite becomes null, which every parser reads."""
    return json.dumps(_finite(value), allow_nan=False, separators=(",", ":")).encode("ascii")


def _part(run: Run, part: Part) -> Json:
    return {
        "name": part.name,
        "kind": part.kind,
        "causal": part.causal,
        "layers": [asdict(layer) for layer in part.layers],
        "rows": part.rows,
        "words": part.words,
        "uniform": run.uniform(part.name).tolist(),
    }


def _why_no_maps(run: Run, step: int, there: Excerpt) -> str | None:
    if step in there.maps:
        return None
    return run.why_no_maps(step) or "left_out"


def _best(run: Run) -> Json | None:
    step, name = best_step(run.steps, [run.scalars(step) for step in run.steps], run.options)
    return None if step is None else {"step": step, "name": name}


def _untouched(run: Run) -> Json | None:
    found = proofs_of(run)
    return None if found is None else {**asdict(found), "sentences": list(found.sentences)}


def _probe(run: Run, probe: Probe, kept: Kept | None) -> Json:
    return {
        "index": probe.index,
        "split": probe.split,
        "source": dump_tokens(probe.source),
        "target": None if probe.target is None else dump_tokens(probe.target),
        **dump_own_axes(probe),
        **({} if probe.title is None else {"title": probe.title}),
        "kept": None if kept is None else asdict(kept),
        **_asked(run, probe),
    }


def _asked(run: Run, probe: Probe) -> Json:
    if probe.split != "asked":
        return {}
    muted = [head._asdict() for head in probe.muted]
    return {"steps": list(run.steps_of(probe.index)), "muted": muted}


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
