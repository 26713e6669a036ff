"""One process that has everything imported, and a child of it for each task."""

from __future__ import annotations

import json
import math
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
_WAITING = 10
_MEMORY = 12 << 30  # of one task, in bytes: a model that takes all would slow what runs beside it


def each(
    names: Iterable[str], task: Callable[[str], Row], *, seconds: float
) -> Iterator[tuple[str, Row]]:
    """Yield what ``task(name)`` returned in a child process; a child that is too slow is ended.

    Args:
        names: What is done, one after the other.
        task: What is done with each.
        seconds: How long the processor may work on one. Others may need it: so a child may wait
            ten times as long.
    """
    for name in names:
        worked, started = _worked(), time.monotonic()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds),) * 2)
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY,) * 2)
            _work(name, task, writing)
        os.close(writing)
        row = _heard(reading, started + _WAITING * seconds)
        if row is None:
            os.kill(child, signal.SIGKILL)
            row = {"verdict": "failed", "why": f"took more than {seconds:.0f} s, or died"}
        os.close(reading)
        os.waitpid(child, 0)
        yield name, {"name": name, **row, "seconds": round(_worked() - worked, 1)}


def _worked() -> float:
    """Return how long the processor worked on children that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def commit(root: Path) -> str:
    """Return the commit of the code that is tried, with a plus where files differ from it."""
    git = ("git", "-C", str(root), "describe", "--always", "--dirty=+")
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()


def _work(name: str, task: Callable[[str], Row], writing: int) -> None:
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    if not os.environ.get("ZOO_LOUD"):
        os.dup2(devnull, 2)
    try:
        row = task(name)
    except BaseException as error:  # whatever ends a child is its row
        last = traceback.extract_tb(sys.exc_info()[2])[-1]
        row = {
            "verdict": "failed",
            "why": f"{type(error).__name__}: {str(error)[:500]}"
            f" ({last.filename.rpartition('/')[2]}:{last.lineno})",
        }
    with os.fdopen(writing, "w") as pipe:
        pipe.write(json.dumps(row, default=str))
    os._exit(0)


def _heard(reading: int, until: float) -> Row | None:
    parts = []
    while (left := until - time.monotonic()) > 0:
        if not select.select([reading], [], [], left)[0]:
            break
        part = os.read(reading, 1 << 16)
        if not part:
            try:
                row: Row = json.loads(b"".join(parts))
            except ValueError:
                return None
            return row
        parts.append(part)
    return None
