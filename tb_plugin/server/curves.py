"""Metrics of training and validation sentences over all steps, for one chart. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32

from attn_monitor.analysis.spread import spread
from attn_monitor.core.arrays import mean_of_defined
from attn_monitor.core.errors import NotRecordedError
from attn_monitor.core.nouns import MEASURED, Split
from attn_monitor.store import Run
from tb_plugin.server.plain import plain
from tb_plugin.server.queries import CurvesQuery

VALUES_AT_ONCE = 2**21  # of heads, of which one mean is made


def describe_curves(run: Run, query: CurvesQuery) -> Mapping[str, object]:
    """Return each metric's curve with its band, per split; see ``http_api.md``, ``/curves``.

    Raises:
        NotRecordedError: No such part, metric, layer or head in this recording.
    """
    _check_head(run, query)
    names = query.metrics or tuple(metric.name for metric in run.metrics)
    found = {split: _curves(run, query, names, split) for split in MEASURED}
    return {
        "part": query.part,
        "layer": query.layer,
        "head": query.head,
        "steps": list(run.steps),
        "metrics": {
            name: {split: None if curves is None else curves[at] for split, curves in found.items()}
            for at, name in enumerate(names)
        },
    }


def _curves(
    run: Run, query: CurvesQuery, names: tuple[str, ...], split: Split
) -> list[object] | None:
    if not any(probe.split == split for probe in run.probes):
        return None
    part = run.part(query.part)
    each = sum(probe.split == split for probe in run.probes) * len(part.layers) * part.heads
    at_once = max(1, VALUES_AT_ONCE // (each * len(names)))
    means = [
        mean_of_defined(
            _heads(
                run.probe_metrics(
                    names,
                    part=query.part,
                    split=split,
                    steps=run.steps[first : first + at_once],
                ),
                query,
            ),
            axes=(2, 3),
        )
        for first in range(0, len(run.steps), at_once)
    ]
    if not means:
        return [plain(spread(np.empty((0, 1)))) for _ in names]
    chosen = np.concatenate(means)
    return [plain(spread(chosen[..., at])) for at in range(len(names))]


def _heads(
    values: Float32[np.ndarray, "step probe layer head metric"], query: CurvesQuery
) -> Float32[np.ndarray, "step probe layers heads metric"]:
    layers = slice(None) if query.layer is None else slice(query.layer, query.layer + 1)
    heads = slice(None) if query.head is None else slice(query.head, query.head + 1)
    return values[:, :, layers, heads]


def _check_head(run: Run, query: CurvesQuery) -> None:
    layers = run.part(query.part).layers
    if query.layer is None:
        if query.head is not None:
            raise NotRecordedError(f"head {query.head} of which layer? Give layer= too")
        return
    if query.layer >= len(layers):
        raise NotRecordedError(
            f"no layer {query.layer} in part {query.part!r}; it has {len(layers)}, from 0"
        )
    if query.head is not None and query.head >= layers[query.layer].heads:
        raise NotRecordedError(
            f"no head {query.head} in this layer; it has {layers[query.layer].heads}, from 0"
        )
