"""Metrics of training and validation sentences over all steps, for one chart. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Float32

from attn_monitor.analysis.spread import spread
from attn_monitor.core.arrays import mean_of_defined
from attn_monitor.core.errors import NotRecordedError
from attn_monitor.core.nouns import MEASURED, Split
from attn_monitor.store import Run
from attn_monitor.store.lru import ByteLru
from tb_plugin.server.plain import plain, told
from tb_plugin.server.queries import CurvesQuery

VALUES_AT_ONCE = 2**21  # of heads, of which one mean is made
STEPS_TOGETHER = 64  # at most: while training goes on, all but the last block of steps are known
_NAME = 100  # bytes of a step's name in a block's key, about


class CurvesReader:
    """Averages metrics over heads; remembers the means of steps that have been read."""

    def __init__(self, cache_bytes: int) -> None:
        self._means = ByteLru[tuple[object, ...], np.ndarray](cache_bytes)

    def describe(self, run: Run, query: CurvesQuery) -> Mapping[str, object]:
        """Return each metric's curve with its band, per split; see ``http_api.md``, ``/curves``.

        Raises:
            NotRecordedError: No such part, metric, layer or head in this recording.
        """
        _check_head(run, query)
        names = query.metrics or tuple(metric.name for metric in run.metrics)
        found = {split: self._curves(run, query, names, split) for split in MEASURED}
        return {
            "part": query.part,
            "layer": query.layer,
            "head": query.head,
            "steps": list(run.steps),
            "metrics": {
                name: {
                    split: None if curves is None else curves[at] for split, curves in found.items()
                }
                for at, name in enumerate(names)
            },
        }

    def _curves(
        self, run: Run, query: CurvesQuery, names: tuple[str, ...], split: Split
    ) -> list[object] | None:
        sentences = sum(probe.split == split for probe in run.probes)
        if not sentences:
            return None
        if not run.steps:
            return [plain(spread(np.empty((0, 1)))) for _ in names]
        part = run.part(query.part)
        each = sentences * len(part.layers) * part.heads * len(names)
        together = max(1, min(STEPS_TOGETHER, VALUES_AT_ONCE // max(1, each)))
        blocks = [
            self._block(run, query, names, split, run.steps[first : first + together])
            for first in range(0, len(run.steps), together)
        ]
        chosen = np.concatenate(blocks)
        return [told(plain(spread(chosen[..., at]))) for at in range(len(names))]

    def _block(
        self,
        run: Run,
        query: CurvesQuery,
        names: tuple[str, ...],
        split: Split,
        steps: Sequence[int],
    ) -> Float[np.ndarray, "step probe metric"]:
        where = (query.part, query.layer, query.head, names, split)
        # Sentences of another process may join, and have no values at earlier steps.
        probes = tuple(probe.index for probe in run.probes if probe.split == split)
        identity = (run.session, *where, steps[0])
        made_from = (probes, tuple(map(run.writing, steps)))

        def read() -> Float[np.ndarray, "step probe metric"]:
            values = run.probe_metrics(names, part=query.part, split=split, steps=steps)
            return mean_of_defined(_heads(values, query), axes=(2, 3))

        return self._means.get(
            identity, read, lambda made: made.nbytes + _NAME * len(steps), made_from=made_from
        )


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
