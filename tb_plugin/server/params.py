"""Reads query parameters: short, typed, and refused with a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from tensorboard import errors

from attn_monitor.core.nouns import MEASURED, Split

LONGEST_QUERY = 8192
LARGEST = 2**53  # steps may count tokens; JavaScript is exact up to here
_Choice = TypeVar("_Choice", bound=str)
_INTEGER = re.compile(r"\d{1,16}")
_RANGE = re.compile(r"(\d{1,10}):(\d{1,10})")


def required(args: Mapping[str, str], name: str) -> str:
    """Return a parameter that must be there."""
    value = args.get(name)
    if not value:
        raise _invalid(f"parameter {name!r} is missing")
    return value


def integer(args: Mapping[str, str], name: str) -> int:
    """Return a parameter that must be a whole number up to 2**53."""
    return _integer(name, required(args, name))


def optional_integer(args: Mapping[str, str], name: str) -> int | None:
    """Return a whole number, or ``None`` if the parameter is absent."""
    return _integer(name, args[name]) if name in args else None


def split(args: Mapping[str, str]) -> Split:
    """Return which probes to average: ``val`` unless the request says ``train``."""
    return choice(args, "split", MEASURED)


def choice(args: Mapping[str, str], name: str, choices: tuple[_Choice, ...]) -> _Choice:
    """Return which of ``choices`` a parameter names; the first if it is absent."""
    value = args.get(name, choices[0])
    for known in choices:
        if value == known:
            return known
    raise _invalid(f"parameter {name!r} should be one of {', '.join(choices)}, got {value[:40]!r}")


def names(args: Mapping[str, str], name: str, *, most: int) -> tuple[str, ...]:
    """Return one to ``most`` different names, separated by commas."""
    found = tuple(required(args, name).split(","))
    if len(found) > most:
        raise _invalid(f"parameter {name!r} should hold at most {most} names, got {len(found)}")
    if len(set(found)) != len(found):
        raise _invalid(f"parameter {name!r} holds a name twice")
    return found


def bounded(args: Mapping[str, str], name: str, *, default: int, low: int, high: int) -> int:
    """Return a whole number between ``low`` and ``high``; ``default`` if it is absent."""
    value = _integer(name, args.get(name, str(default)))
    if not low <= value <= high:
        raise _invalid(f"parameter {name!r} should be {low} to {high}, got {value}")
    return value


def integers(args: Mapping[str, str], name: str) -> tuple[int, ...] | None:
    """Return different whole numbers separated by commas, or ``None`` if there is no parameter."""
    if name not in args:
        return None
    found = tuple(_integer(name, text) for text in args[name].split(","))
    if len(set(found)) != len(found):
        raise _invalid(f"parameter {name!r} names a {name.removesuffix('s')} twice")
    return found


def span(args: Mapping[str, str], name: str) -> tuple[int, int] | None:
    """Return first and one past the last of a span, or ``None`` if there is no parameter."""
    if name not in args:
        return None
    match = _RANGE.fullmatch(args[name])
    if match is None:
        raise _invalid(f"parameter {name!r} should look like 0:64, got {args[name][:40]!r}")
    return int(match[1]), int(match[2])


def _integer(name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text) or not text.isascii():
        raise _invalid(f"parameter {name!r} should be a whole number, got {text[:40]!r}")
    value = int(text)
    if value > LARGEST:
        raise _invalid(f"parameter {name!r} should be at most {LARGEST}, got {value}")
    return value


def _invalid(message: str) -> errors.InvalidArgumentError:
    return errors.InvalidArgumentError(message)
