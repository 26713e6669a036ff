"""Typed access to JSON that somebody else may have written: every error names the field."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from attn_monitor.core.errors import CorruptRecordingError

LARGEST_PARSED = 150_000_000
_MOST_TIMES = 25  # what a document may take in memory, of its size; ours take 10 to 14 times
_SMALL = 2_000_000
_Choice = TypeVar("_Choice", bound=str)


def parse_object(
    data: bytes, where: str, *, most_bytes: int = LARGEST_PARSED
) -> Mapping[str, object]:
    """Return the JSON object in ``data``.

    Args:
        data: The document.
        where: What it is, for messages.
        most_bytes: Memory that it may take once it is read; in any case at most 25 times its size.

    Raises:
        CorruptRecordingError: It is not UTF-8, not JSON, too deep, not an object, or too large.
    """
    most_bytes = min(most_bytes, max(_SMALL, _MOST_TIMES * len(data)))
    if (needed := parsed_bytes(data)) > most_bytes:
        raise CorruptRecordingError(
            f"{where} would take {needed / 1e6:.0f} MB of memory, at most "
            f"{most_bytes / 1e6:.0f} MB are allowed"
        )
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptRecordingError(f"{where} is not readable JSON: {error}") from None
    return as_object(value, where)


def parsed_bytes(data: bytes) -> int:
    """Return how much memory a JSON document takes at most once it is read, without reading it.

    Every bracket may be a container, every comma or colon a value, whatever a text holds.
    """
    text = len(data) if data.isascii() and b"\\u" not in data else 4 * len(data)
    containers = 72 * data.count(b"[") + 240 * data.count(b"{")
    return text + containers + 110 * data.count(b":") + 70 * data.count(b",")


def as_object(value: object, where: str) -> Mapping[str, object]:
    """Return ``value`` as a JSON object."""
    if not isinstance(value, dict):
        raise _wrong(where, "an object", value)
    return value


def as_list(value: object, where: str, *, longest: int = 1_000_000) -> Sequence[object]:
    """Return ``value`` as a JSON array of at most ``longest`` elements."""
    if not isinstance(value, list):
        raise _wrong(where, "a list", value)
    if len(value) > longest:
        raise CorruptRecordingError(f"{where} has {len(value)} elements, at most {longest} allowed")
    return value


def as_str(value: object, where: str) -> str:
    """Return ``value`` as text."""
    if not isinstance(value, str):
        raise _wrong(where, "text", value)
    return value


def as_bool(value: object, where: str) -> bool:
    """Return ``value`` as a truth value."""
    if not isinstance(value, bool):
        raise _wrong(where, "true or false", value)
    return value


def as_int(value: object, where: str, *, low: int = 0, high: int = 2**62) -> int:
    """Return ``value`` as an integer within bounds."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(where, "an integer", value)
    if not low <= value <= high:
        raise CorruptRecordingError(f"{where} is {value}, expected {low} to {high}")
    return value


def as_float(value: object, where: str) -> float:
    """Return ``value`` as a number; the names JSON lacks (NaN, Infinity) may come as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong(where, "a number", value)
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise _wrong(where, "a number", value) from None


def as_optional_float(value: object, where: str) -> float | None:
    """Return ``value`` as a number or ``None``."""
    return None if value is None else as_float(value, where)


def as_choice(value: object, choices: tuple[_Choice, ...], where: str) -> _Choice:
    """Return the one of ``choices`` that equals ``value``."""
    for choice in choices:
        if value == choice:
            return choice
    raise _wrong(where, "one of " + ", ".join(choices), value)


def as_shape(value: object, where: str) -> tuple[int, ...]:
    """Return ``value`` as an array shape of at most eight axes."""
    axes = as_list(value, where, longest=8)
    return tuple(as_int(axis, where, high=2**32) for axis in axes)


def strict(value: object) -> object:
    """Return ``value`` as strict JSON can hold it: infinities and NaN become text.

    Numbers of numpy become Python's; callers compute them and rarely notice the difference.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): strict(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [strict(inner) for inner in value]
    return value


def _wrong(where: str, wanted: str, value: object) -> CorruptRecordingError:
    shown = repr(value)
    if len(shown) > 60:  # noqa: PLR2004 - enough to recognise the value in one line
        shown = shown[:57] + "..."
    return CorruptRecordingError(f"{where} should be {wanted}, got {shown}")
