"""Joins neighbouring tokens, so that a text of any length fits on a screen. Knows no HTTP."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8

from attn_monitor.core.errors import NotRecordedError
from attn_monitor.store.codec import decode_attention, encode_attention


def merge_tokens(
    codes: UInt8[np.ndarray, "head query key"],
    row_max: Float32[np.ndarray, "head query"],
    *,
    keys: tuple[int, int] | None,
    size: int,
    rows_sum_to_one: bool,
) -> tuple[UInt8[np.ndarray, "head group keys"], Float32[np.ndarray, "head group"]]:
    """Return one layer's maps with ``size`` neighbouring tokens as one row and one column.

    Attention *to* a group is the sum over its tokens, attention *from* a group the mean (Clark et
    al. 2019, section 4.1), so rows sum to what they did. The last group may be smaller.

    Args:
        codes: Whole rows as they are stored.
        row_max: Their row maxima.
        keys: First and one past the last key column; all of them by default.
        size: Tokens in a group.
        rows_sum_to_one: As recorded: see :func:`attn_monitor.store.codec.decode_attention`.

    Raises:
        NotRecordedError: The window lies outside the maps.
    """
    start, stop = (0, codes.shape[2]) if keys is None else keys
    if not 0 <= start < stop <= codes.shape[2]:
        raise NotRecordedError(f"keys={start}:{stop} lies outside 0:{codes.shape[2]}")
    attn = decode_attention(codes, row_max, rows_sum_to_one=rows_sum_to_one)[..., start:stop]
    merged, scale = encode_attention(join_tokens(attn, size))
    return merged, scale.astype(np.float32)


def join_tokens(
    attn: Float32[np.ndarray, "head query key"], size: int
) -> Float32[np.ndarray, "head group keys"]:
    """Return maps with ``size`` neighbours as one row (their mean) and one column (their sum)."""
    if size == 1:
        return attn
    _, rows, keys = attn.shape
    # Queries first: adding whole rows runs along the memory, adding keys runs across it.
    joined: Float32[np.ndarray, "head group keys"] = np.add.reduceat(
        attn, np.arange(0, rows, size), axis=1
    )
    joined /= np.diff(np.append(np.arange(0, rows, size), rows))[:, None].astype(np.float32)
    joined = np.add.reduceat(joined, np.arange(0, keys, size), axis=2)
    return joined
