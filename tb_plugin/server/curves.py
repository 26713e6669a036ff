"""Metrics of training and validation sentences over all steps, for one chart. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from attn_monitor.analysis.spread import mean_of_defined, spread
from attn_monitor.core.errors import NotRecordedError
from attn_monitor.core.nouns import MEASURED, Split
from attn_monitor.store import Run
from tb_plugin.server.plain import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvesQuery:
    """Which curves are wanted.

    Attributes:
        part: Name of a part.
        metrics: Names of metrics.
        layer: Only heads of this layer; ``None`` for the mean over all layers and heads.
        head: Only this head of the layer; ``None`` for the mean over its heads.
    """

    part: str
    metrics: tuple[str, ...]
    layer: int | None = None
    head: int | None = None


def describe_curves(run: Run, query: CurvesQuery) -> Mapping[str, object]:
    """Return each metric's curve with its band, per split; see ``http_api.md``, ``/curves``.

    Raises:
        NotRecordedError: No such part, metric, layer or head in this recording.
    """
    _check_head(run, query)
    found = {split: _curves(run, query, split) for split in MEASURED}
    return {
        "part": query.part,
        "layer": query.layer,
        "head": query.head,
        "steps": list(run.steps),
        "metrics": {
            name: {split: None if curves is None else curves[at] for split, curves in found.items()}
            for at, name in enumerate(query.metrics)
        },
    }


def _curves(run: Run, query: CurvesQuery, split: Split) -> list[object] | None:
    if not any(probe.split == split for probe in run.probes):
        return None
    values = run.probe_metrics(query.metrics, part=query.part, split=split)
    chosen = mean_of_defined(_heads(values, query).astype(np.float64), axes=(2, 3))
    return [plain(spread(chosen[..., at])) for at in range(len(query.metrics))]


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
