"""Reads what muting heads did at a step."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from attn_monitor.core.importance import IMPORTANCE, HeadImportance, importance_at
from attn_monitor.core.nouns import Part
from attn_monitor.store.series import probes_series
from attn_monitor.store.union import RunView


def read_importance(view: RunView, step: int) -> HeadImportance | None:
    """Return what muting heads did to the probes at a step; ``None`` where nobody measured."""
    commit = view.commit(step)
    column = next((at for at, spec in enumerate(view.info.metrics) if spec.name == IMPORTANCE), -1)
    if column < 0:
        return None
    effects = {part.name: _effects(view, part, step, column) for part in view.info.parts}
    return importance_at(step, view.info.metrics[column].unit, effects, commit.scalars)


def _effects(
    view: RunView, part: Part, step: int, column: int
) -> Float32[np.ndarray, "layer head"]:
    """Return the effects in a part; every sentence that was measured has the same."""
    for split in ("val", "train"):
        found = probes_series(view, part, split, steps=(step,), metrics=(column,))[0, ..., 0]
        measured = found[np.isfinite(found).any(axis=(1, 2))]
        if len(measured):
            first: Float32[np.ndarray, "layer head"] = measured[0]
            return first
    return np.full((len(part.layers), part.heads), np.nan, dtype=np.float32)
