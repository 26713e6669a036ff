"""Reads arrays out of a step's zip by byte ranges, trusting nothing that the file says.

Shapes come from ``run.json``; the file must agree with them. Sizes are checked against the file,
and against what zstd announces, before anything is decompressed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

import numpy as np
from numcodecs.zstd import Zstd

from attn_monitor.core.errors import CorruptRecordingError, NotRecordedError
from attn_monitor.store.fields import (
    as_bool,
    as_list,
    as_object,
    as_shape,
    as_str,
    parse_object,
)
from attn_monitor.store.lru import ByteLru
from attn_monitor.store.reading import ReadOnlyFolder
from attn_monitor.store.zarrzip import DATA_TYPES, METADATA
from attn_monitor.store.zipindex import ZipIndex

LARGEST_CHUNK = 2**28
LARGEST_ARRAY = 2**28
_MOST_RATIO = 1000  # of what a chunk unpacks to and what it takes, above a few megabytes
_SMALL_CHUNK = 2**22
_LARGEST_METADATA = 2**20
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SERIALS = count()
# Descriptions of arrays, parsed, by file and path: a head's vectors ask for one several times.
_NODES = ByteLru[tuple[int, str], Mapping[str, object]](16 * 2**20)
_PARSED = 6  # times the bytes of its text, that a parsed description takes


class StepFile:
    """The arrays of one recorded step. Its directory is read once; safe to use from threads."""

    def __init__(self, folder: ReadOnlyFolder, name: str, *, size: int, checksum: str = "") -> None:
        """Read the file's directory.

        Args:
            folder: Where the file is.
            name: Its name in the folder.
            size: Its size in bytes according to the commit line.
            checksum: That of its directory; empty where the line has none.

        Raises:
            CorruptRecordingError: It is missing, has another size, or is not such a zip file.
        """
        self._zip = ZipIndex(folder, name, size=size, checksum=checksum)
        self._serial = next(_SERIALS)

    @property
    def directory_bytes(self) -> int:
        """About how much memory the file's directory takes."""
        return 300 * len(self._zip) + 1000

    def damage(self) -> list[str]:
        """Read every member; return what is wrong, one sentence each."""
        found = []
        for name in self._zip.names:
            try:
                self._zip.read(name, at_most=LARGEST_CHUNK)
            except CorruptRecordingError as error:
                found.append(str(error))
        return found

    def has(self, path: str) -> bool:
        """Return whether there is an array at ``path``."""
        return f"{path}/{METADATA}" in self._zip

    def array(
        self,
        path: str,
        *,
        dtype: str,
        shape: tuple[int | None, ...],
        layers: Sequence[int] | None = None,
        rows: tuple[int, int] | None = None,
    ) -> np.ndarray:
        """Return an array of at least three axes, or some layers and tokens of it.

        Only the chunks that hold what is wanted are read.

        Args:
            path: Its place in the hierarchy.
            dtype: The type it must have, a key of :data:`~attn_monitor.store.zarrzip.DATA_TYPES`.
            shape: The shape it must have; ``None`` leaves an axis open.
            layers: Indices of the first axis in the order wanted; all by default.
            rows: First and one past the last index of the third axis; all by default.

        Raises:
            NotRecordedError: There is no such array.
            CorruptRecordingError: It is not what it should be.
        """
        if not self.has(path):
            raise NotRecordedError(f"{self._zip.location} holds no {path}")
        found, chunk = self._layout(path, dtype, shape)
        wanted = range(found[0]) if layers is None else layers
        start, stop = (0, found[2]) if rows is None else rows
        size = len(wanted) * found[1] * (stop - start) * int(np.prod(found[3:], dtype=np.float64))
        if size > LARGEST_ARRAY:
            raise self._zip.corrupt(f"announces {size} values in {path}; ask for fewer layers")
        values = np.empty((len(wanted), found[1], stop - start, *found[3:]), DATA_TYPES[dtype])
        pieces: dict[tuple[int, int], np.ndarray] = {}
        for at, layer in enumerate(wanted):
            for block in range(start // chunk[2], -(-stop // chunk[2])):
                key = (layer // chunk[0], block)
                if key not in pieces:
                    name = f"{path}/c/{key[0]}/0/{block}" + "/0" * (len(found) - 3)
                    pieces = {key: self._chunk(name, dtype, chunk)}
                first = block * chunk[2]
                low, high = max(start, first), min(stop, first + chunk[2])
                piece = pieces[key][layer % chunk[0], :, low - first : high - first]
                values[at, :, low - start : high - start] = piece
        return values

    def flag(self, path: str, name: str) -> bool:
        """Return a switch among an array's attributes; on where the array does not say.

        Raises:
            CorruptRecordingError: It is there and no switch.
        """
        _NODES.drop((self._serial, path))  # whether the file is still there is seen with the flags
        return as_bool(self.attributes(path).get(name, True), f"{self.describe(path)}: {name}")

    def attributes(self, path: str) -> Mapping[str, object]:
        """Return the attributes of an array or group, as they are in the file: trust nothing.

        Raises:
            CorruptRecordingError: There are none.
        """
        where = f"{self.describe(path)}: attributes"
        return as_object(self._metadata(path).get("attributes"), where)

    def describe(self, path: str) -> str:
        """Return the name of an array's or group's description, for error messages."""
        return f"{self._zip.location}: {path}/{METADATA}"

    def _metadata(self, path: str) -> Mapping[str, object]:
        key = (self._serial, path)
        node = _NODES.find(key)
        if node is None:
            data = self._zip.read(f"{path}/{METADATA}", at_most=_LARGEST_METADATA)
            node = parse_object(data, self.describe(path))
            _NODES.keep(key, node, _PARSED * len(data))
        return node

    def _layout(
        self, path: str, dtype: str, shape: tuple[int | None, ...]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Check an array's ``zarr.json``; return its shape and that of its chunks."""
        where = self.describe(path)
        node = self._metadata(path)
        true_shape = as_shape(node.get("shape"), f"{where}: shape")
        if len(true_shape) != len(shape) or any(
            wanted is not None and wanted != found
            for wanted, found in zip(shape, true_shape, strict=True)
        ):
            raise CorruptRecordingError(f"{where}: shape is {true_shape}, run.json implies {shape}")
        if as_str(node.get("data_type"), f"{where}: data_type") != dtype:
            raise CorruptRecordingError(f"{where}: data_type should be {dtype}")
        codecs = [
            as_str(as_object(codec, where).get("name"), where)
            for codec in as_list(node.get("codecs"), f"{where}: codecs", longest=8)
        ]
        if codecs != ["bytes", "zstd"]:
            raise CorruptRecordingError(f"{where}: codecs should be bytes, zstd, got {codecs}")
        grid = as_object(
            as_object(node.get("chunk_grid"), where).get("configuration"), f"{where}: chunk_grid"
        )
        chunk = as_shape(grid.get("chunk_shape"), f"{where}: chunk_shape")
        whole = (true_shape[0], *true_shape[1:2], *chunk[2:3], *true_shape[3:])
        if chunk not in (whole, (1, *whole[1:])) or not 0 < chunk[2] <= true_shape[2]:
            raise CorruptRecordingError(f"{where}: chunks of {chunk} are not supported")
        return true_shape, chunk

    def _chunk(self, name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        kind = DATA_TYPES[dtype]
        expected = int(np.prod(shape, dtype=np.float64)) * kind.itemsize
        if expected > LARGEST_CHUNK:
            raise self._zip.corrupt(f"announces a chunk of {expected} bytes")
        packed = self._zip.read(name, at_most=expected + expected // 128 + 1024)
        if expected > _SMALL_CHUNK and expected > _MOST_RATIO * len(packed):
            raise self._zip.corrupt(f"{name} would unpack {len(packed)} bytes to {expected}")
        announced = _announced_size(packed)
        if announced != expected:
            raise self._zip.corrupt(f"{name} unpacks to {announced} bytes, expected {expected}")
        values = np.empty(shape, kind)
        try:
            Zstd().decode(packed, values.reshape(-1).view("u1"))
        except (RuntimeError, ValueError) as error:
            raise self._zip.corrupt(f"{name} cannot be unpacked: {error}") from None
        return values


def _announced_size(frame: bytes) -> int | None:
    """Return the unpacked size in a zstd frame header (RFC 8878, section 3.1.1.1), if it is there.

    Frames without it are refused: their size would be known only after unpacking them.
    """
    if not frame.startswith(_ZSTD_MAGIC) or len(frame) == len(_ZSTD_MAGIC):
        return None
    descriptor = frame[4]
    single_segment = bool(descriptor & 0x20)
    flag = descriptor >> 6
    width = (int(single_segment), 2, 4, 8)[flag]
    if width == 0:
        return None
    start = 5 + (not single_segment) + (0, 1, 2, 4)[descriptor & 3]
    size = int.from_bytes(frame[start : start + width], "little")
    return size + 256 if width == 2 else size  # noqa: PLR2004
