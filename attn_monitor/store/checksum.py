"""Checksums of what is read as a number: of JSON by its bytes, of arrays by their rows.

A document carries its own: its last field is ``"crc"``, CRC-32 in eight hexadecimal digits of all
that stands before that field. Recordings of earlier versions have none and are read as they are.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

from attn_monitor.core.errors import CorruptRecordingError

_FIELD = re.compile(rb',\s*"crc": "([0-9a-f]{8})"\s*\}\s*$')
_NAME = b'"crc"'
DIGITS = 8


def crc_text(data: bytes) -> str:
    """Return the checksum of some bytes, as it is written."""
    return f"{zlib.crc32(data):08x}"


def sealed(document: bytes, *, before: bytes = b" ") -> bytes:
    """Return a JSON object with its checksum as the last field.

    Args:
        document: A JSON object with at least one field.
        before: White space in front of the field's name.
    """
    body = document.rstrip().removesuffix(b"}").rstrip()
    return body + b"," + before + _NAME + b': "' + crc_text(body).encode() + b'"}'


def check_seal(document: bytes, where: str) -> bool:
    """Return whether a JSON object has a checksum, having checked it.

    Raises:
        CorruptRecordingError: It is another one than it should be.
    """
    start = max(0, len(document) - 100)
    found = _FIELD.search(document, start)
    if found is None and document.find(_NAME, start) < 0:
        return False
    if found is None or crc_text(document[: found.start()]).encode() != found[1]:
        raise CorruptRecordingError(f"{where} is damaged: its checksum differs")
    return True


def row_checksums(rows: Iterable[bytes]) -> str:
    """Return the checksums of some rows, one after another."""
    return "".join(map(crc_text, rows))
