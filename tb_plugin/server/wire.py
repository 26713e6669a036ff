"""The binary frames that carry arrays to the page: see ``http_api.md``, "Binary frames"."""

from __future__ import annotations

import struct
from enum import IntEnum

import numpy as np
from jaxtyping import Float32, Float64, UInt8

MAGIC = b"ATM1"


class Kind(IntEnum):
    """What a frame holds, and so what follows its header; 2 is left for plain numbers."""

    ATTENTION = 1
    SERIES = 3
    ABSOLUTE = 4


def attention_frame(
    codes: UInt8[np.ndarray, "layer head query key"],
    row_max: Float32[np.ndarray, "layer head query"],
) -> bytes:
    """Return whole attention rows: the reader divides each decoded row by its sum."""
    return _coded(Kind.ATTENTION, codes, row_max)


def absolute_frame(
    codes: UInt8[np.ndarray, "layer head query key"],
    row_scale: Float32[np.ndarray, "layer head query"],
) -> bytes:
    """Return attention as ``(code / 255) ** 2 * row_scale``, with nothing to divide by.

    For windows, whose rows no longer tell their sum, and for rows that do not sum to 1.
    """
    return _coded(Kind.ABSOLUTE, codes, row_scale)


def series_frame(
    steps: Float64[np.ndarray, " step"], values: Float32[np.ndarray, "step layer head metric"]
) -> bytes:
    """Return numbers over steps, with the steps in front: exact up to 2**53, as in JavaScript."""
    return b"".join(
        (
            _header(Kind.SERIES, values.shape),
            steps.astype("<f8").tobytes(),
            values.astype("<f4").tobytes(),
        )
    )


def _coded(
    kind: Kind,
    codes: UInt8[np.ndarray, "layer head query key"],
    rows: Float32[np.ndarray, "layer head query"],
) -> bytes:
    # Joined from views: a reply may be a hundred megabytes, and one copy of it is enough.
    views = (np.ascontiguousarray(rows, dtype="<f4"), np.ascontiguousarray(codes))
    return b"".join((_header(kind, codes.shape), *(view.data.cast("B") for view in views)))


def _header(kind: Kind, shape: tuple[int, ...]) -> bytes:
    return MAGIC + struct.pack(f"<BBH{len(shape)}I", kind, len(shape), 0, *shape)
