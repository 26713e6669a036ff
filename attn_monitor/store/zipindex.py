"""The directory of an uncompressed zip file, and reading its members by byte ranges.

Nothing that the file says is trusted: sizes are checked before anything is read, contents against
their checksum.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from attn_monitor.core.errors import CorruptRecordingError, MissingFileError
from attn_monitor.store.checksum import crc_text
from attn_monitor.store.reading import ReadOnlyFolder

_LARGEST_DIRECTORY = 64 * 2**20
_END = struct.Struct("<4s4H2LH")  # zip's "end of central directory"
_ENTRY = struct.Struct("<4s6H3L5H2L")  # one file in zip's central directory
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")


@dataclass(frozen=True, slots=True)
class _Member:
    start: int
    size: int
    crc: int


def directory_checksum(contents: bytes) -> str:
    """Return the checksum of the directory of a zip file without a comment, as ours are."""
    *_, length, start, _comment = _END.unpack(contents[-_END.size :])
    return crc_text(contents[start : start + length])


class ZipIndex:
    """Where each member of a zip file lies. Read once; safe to use from threads."""

    def __init__(self, folder: ReadOnlyFolder, name: str, *, size: int, checksum: str) -> None:
        """Read the zip's directory.

        Args:
            folder: Where the file is.
            name: Its name in the folder.
            size: Its size in bytes according to the commit line.
            checksum: That of its directory; empty for one that is not known.

        Raises:
            CorruptRecordingError: It is missing, has another size, or is not such a zip file.
        """
        self._folder = folder
        self._name = name
        try:
            found = folder.size(name)
        except MissingFileError:
            raise self.corrupt("is missing") from None
        if found != size:
            raise self.corrupt(f"has {found} bytes, its commit line says {size}")
        self._members = self._directory(size, checksum)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members."""
        return tuple(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str, *, at_most: int) -> bytes:
        """Return a member's bytes.

        Raises:
            CorruptRecordingError: There is none, it is larger than ``at_most``, or damaged.
        """
        member = self._members.get(name)
        if member is None:
            raise self.corrupt(f"holds no {name}")
        if member.size > at_most:
            raise self.corrupt(f"{name} has {member.size} bytes, expected at most {at_most}")
        # The local header repeats the name; "extra" is empty in what we write.
        header = _LOCAL_HEADER.size + len(name.encode())
        data = self._folder.read(self._name, member.start, member.start + header + member.size)
        body = data[header:]
        if len(body) != member.size or zlib.crc32(body) != member.crc:
            raise self.corrupt(f"{name} is damaged")
        return body

    def _directory(self, size: int, checksum: str) -> Mapping[str, _Member]:
        tail = self._folder.read(self._name, max(0, size - _END.size), size)
        if len(tail) != _END.size or not tail.startswith(b"PK\x05\x06"):
            raise self.corrupt("is not a complete zip file")
        *_, length, start, _comment = _END.unpack(tail)
        if length > _LARGEST_DIRECTORY or start + length + _END.size > size:
            raise self.corrupt("has a damaged zip directory")
        entries = self._folder.read(self._name, start, start + length)
        if checksum and crc_text(entries) != checksum:
            raise self.corrupt("is damaged, or the file of another step: its checksum differs")
        members: dict[str, _Member] = {}
        at = 0
        while at < length:
            name, member, at = self._entry(entries, at)
            members[name] = member
        return members

    def _entry(self, entries: bytes, at: int) -> tuple[str, _Member, int]:
        """Parse one entry of the zip directory; return where the next one starts."""
        header = entries[at : at + _ENTRY.size]
        if len(header) != _ENTRY.size or not header.startswith(b"PK\x01\x02"):
            raise self.corrupt("has a damaged zip directory")
        fields = _ENTRY.unpack(header)
        method, crc, packed, size, name_length, extra, comment = (
            fields[4], *fields[7:13]
        )  # fmt: skip
        if method != 0 or packed != size:
            raise self.corrupt("has compressed members; they should be stored")
        end = at + _ENTRY.size + name_length
        name = entries[at + _ENTRY.size : end].decode("utf-8", "replace")
        return name, _Member(fields[16], size, crc), end + extra + comment

    @property
    def location(self) -> str:
        """Path or URL of the file, for messages."""
        return f"{self._folder.location}/{self._name}"

    def corrupt(self, problem: str) -> CorruptRecordingError:
        """Return an error that names the file."""
        return CorruptRecordingError(f"{self.location} {problem}")
