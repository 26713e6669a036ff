"""One zarr v3 hierarchy in one uncompressed zip file, built in memory and read by byte ranges.

The layout is zarr's own, and zarr and xarray open the file (see docs/store.md). It is written and
read here without the zarr package for two reasons: making a step of 32 probes takes a fifth of the
time, beside a training loop that should not notice; and a reader of untrusted files can check every
size before it allocates anything.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from types import TracebackType
from typing import Final

import numpy as np
from numcodecs.zstd import Zstd

METADATA: Final = "zarr.json"
ZSTD_LEVEL: Final = 3
DATA_TYPES: Final[Mapping[str, np.dtype[np.generic]]] = {
    "uint8": np.dtype("u1"),
    "float16": np.dtype("<f2"),
    "float32": np.dtype("<f4"),
}


class StepFileBuilder:
    """Collects the groups and arrays of one step; :meth:`finish` returns the zip's bytes."""

    def __init__(self, attributes: Mapping[str, object]) -> None:
        self._buffer = io.BytesIO()
        self._zip = zipfile.ZipFile(self._buffer, "w", zipfile.ZIP_STORED)
        self._zstd = Zstd(level=ZSTD_LEVEL)
        self.group("", attributes)

    def __enter__(self) -> StepFileBuilder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def group(self, path: str, attributes: Mapping[str, object]) -> None:
        """Add a group; ``path`` is ``""`` for the root."""
        node = {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}
        self._add(f"{path}/{METADATA}".lstrip("/"), _json(node))

    def array(
        self,
        path: str,
        values: np.ndarray,
        *,
        dimension_names: tuple[str, ...],
        chunk: tuple[int, ...],
        attributes: Mapping[str, object],
    ) -> None:
        """Add an array of a type in :data:`DATA_TYPES`.

        Args:
            path: Its place in the hierarchy.
            values: Its values.
            dimension_names: One name per axis; xarray refuses arrays without them.
            chunk: Shape of the pieces that are compressed, and later read, by themselves.
            attributes: Anything JSON can hold.
        """
        self._add(
            f"{path}/{METADATA}",
            _json(array_metadata(values, chunk, dimension_names, attributes)),
        )
        grid = [-(-length // step) for length, step in zip(values.shape, chunk, strict=True)]
        for index in np.ndindex(*grid):
            box = tuple(
                slice(i * step, (i + 1) * step) for i, step in zip(index, chunk, strict=True)
            )
            piece = np.asarray(values[box], dtype=DATA_TYPES[values.dtype.name])
            if piece.shape != chunk:  # zarr fills up the chunks at the edge
                short = zip(chunk, piece.shape, strict=True)
                piece = np.pad(piece, [(0, wanted - found) for wanted, found in short])
            name = "/".join(map(str, index))
            self._add(f"{path}/c/{name}", self._zstd.encode(np.ascontiguousarray(piece)))

    def finish(self) -> bytes:
        """Return the zip file."""
        self._zip.close()
        return self._buffer.getvalue()

    def _add(self, name: str, data: bytes) -> None:
        self._zip.writestr(zipfile.ZipInfo(name), data)


def array_metadata(
    values: np.ndarray,
    chunk: tuple[int, ...],
    dimension_names: tuple[str, ...],
    attributes: Mapping[str, object],
) -> Mapping[str, object]:
    """Return the content of a ``zarr.json`` of an array, as the zarr v3 specification lays down."""
    endian = {"configuration": {"endian": "little"}} if values.dtype.itemsize > 1 else {}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(values.shape),
        "data_type": values.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0 if values.dtype.kind == "u" else 0.0,
        "codecs": [
            {"name": "bytes", **endian},
            {"name": "zstd", "configuration": {"level": ZSTD_LEVEL, "checksum": False}},
        ],
        "attributes": dict(attributes),
        "dimension_names": list(dimension_names),
        "storage_transformers": [],
    }


def _json(node: Mapping[str, object]) -> bytes:
    return json.dumps(node, allow_nan=False).encode("ascii")
