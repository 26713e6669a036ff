"""Reads rectangles out of the windows kept of maps that were too large to keep. Knows no HTTP."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8

from attn_monitor.core.errors import NotRecordedError
from attn_monitor.store import Run
from attn_monitor.store.codec import encode_attention
from tb_plugin.server.merge import join_tokens


def keeps_window(run: Run, probe: int) -> bool:
    """Return whether only the first tokens of a probe's maps were kept."""
    kept = run.kept(probe)
    return kept is not None and kept.form == "window"


def window_codes(
    run: Run,
    *,
    step: int,
    probe: int,
    part: str,
    layer: int,
    rows: tuple[int, int] | None,
    keys: tuple[int, int] | None,
    merge: int,
) -> tuple[UInt8[np.ndarray, "head query key"], Float32[np.ndarray, "head query"]]:
    """Return one layer's codes of a rectangle, with the factors that make them absolute.

    Args:
        run: A recording that does not change meanwhile.
        step: A recorded step.
        probe: A probe whose maps are windows.
        part: Name of a part.
        layer: Layer in execution order, from 0.
        rows: First and one past the last query; all that is kept by default.
        keys: First and one past the last key; all that is kept by default.
        merge: Neighbouring tokens that become one row and one column.

    Raises:
        NotRecordedError: The rectangle lies outside of what was kept.
    """
    kept = run.window(step=step, probe=probe, part=part, layer=layer)
    _, queries, columns = kept.attn.shape
    row = _inside("rows", rows, kept.query_start, queries)
    key = _inside("keys", keys, kept.key_start, columns)
    attn = kept.attn[:, row, key]
    heads = run.part(part).heads
    padded = np.zeros((heads, *attn.shape[1:]), dtype=np.float32)
    padded[: len(attn)] = attn
    codes, scale = encode_attention(join_tokens(padded, merge))
    return codes, scale.astype(np.float32)


def _inside(name: str, wanted: tuple[int, int] | None, first: int, count: int) -> slice:
    start, stop = (first, first + count) if wanted is None else wanted
    if not first <= start < stop <= first + count:
        raise NotRecordedError(
            f"{name}={start}:{stop} lies outside {first}:{first + count}, which is all that the "
            "byte budget of the recording held of this text"
        )
    return slice(start - first, stop - first)
