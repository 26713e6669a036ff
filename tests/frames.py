"""Reads binary frames as ``http_api.md`` describes them, without the code that writes them."""

from __future__ import annotations

import struct

import numpy as np


def read_frame(data):
    """Return (kind, values) or, for a series, (kind, steps, values)."""
    assert data[:4] == b"ATM1"
    kind, ndim, zero = struct.unpack_from("<BBH", data, 4)
    assert zero == 0
    shape = struct.unpack_from(f"<{ndim}I", data, 8)
    at = 8 + 4 * ndim
    if kind in (1, 4):
        rows = int(np.prod(shape[:-1]))
        scale = np.frombuffer(data, "<f4", rows, at).reshape(shape[:-1])
        codes = np.frombuffer(data, "u1", int(np.prod(shape)), at + 4 * rows).reshape(shape)
        assert len(data) == at + 4 * rows + codes.size
        values = (codes / 255) ** 2 * scale[..., None]
        if kind == 1:
            sums = values.sum(axis=-1, keepdims=True)
            values = np.divide(values, sums, out=values, where=sums > 0)
        return kind, values
    if kind == 3:
        steps = np.frombuffer(data, "<f8", shape[0], at).astype(int)
        values = np.frombuffer(data, "<f4", offset=at + 8 * shape[0]).reshape(shape)
        return kind, steps, values
    raise AssertionError(f"no route sends frames of kind {kind}")
