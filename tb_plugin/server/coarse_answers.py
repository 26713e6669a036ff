"""Answers for texts of which only coarse maps were kept. Knows no HTTP."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8

from attn_monitor.core.arrays import evenly_spread
from attn_monitor.core.errors import NotRecordedError
from attn_monitor.core.kept import Kept, stretch_length
from attn_monitor.store import Run
from attn_monitor.store.codec import encode_attention
from attn_monitor.store.names import map_shape


def keeps_coarse(run: Run, probe: int) -> bool:
    """Return whether a probe has coarse maps and no exact weights."""
    kept = run.kept(probe)
    return kept is not None and kept.form == "thumbnail"


def coarse_codes(
    run: Run, *, step: int, probe: int, part: str, layer: int, whole: bool, merge: int
) -> tuple[UInt8[np.ndarray, "head row column"], Float32[np.ndarray, "head row"]]:
    """Return one layer's codes of a whole text, with the factors that make them absolute.

    Coarse maps answer the question for the whole text with as many tokens to a mark as their
    stretches have, and no other, so that none is ever taken for a map. Rows are NaN in heads and
    layers they were not kept of.

    Args:
        run: A recording that does not change meanwhile.
        step: A recorded step.
        probe: A probe that has coarse maps only.
        part: Name of a part.
        layer: Layer in execution order, from 0.
        whole: Nothing of the text is cut away.
        merge: Neighbouring tokens that make one row and one column.

    Raises:
        NotRecordedError: Something else is asked for.
    """
    which = run.part(part)
    kept = run.kept(probe) or Kept(probe=probe, form="thumbnail")
    layers, heads, queries, keys = map_shape(which, run.probe(probe))
    length = stretch_length(queries, keys, max(1, kept.cells))
    if not whole or merge != length:
        raise NotRecordedError(
            f"the byte budget of the recording left coarse maps of probe {probe}; ask for its "
            f"whole text with merge={length}"
        )
    cells = np.zeros((heads, -(-queries // length), -(-keys // length)), dtype=np.float32)
    cells[: which.layers[layer].heads] = np.nan
    if layer in evenly_spread(layers, kept.layers):
        found = run.thumbnail(step=step, probe=probe, part=part, layer=layer)
        cells[list(found.heads)] = found.cells
    codes, scale = encode_attention(cells)
    return codes, scale.astype(np.float32)
