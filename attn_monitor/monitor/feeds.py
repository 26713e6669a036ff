"""What brings the batches: its plain state is put back, and nothing is read of it."""

from __future__ import annotations

import collections
import random
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from attn_monitor.monitor.states import Undo

FEEDS: Final = (DataLoader, Dataset, Sampler)
_MOST_ITEMS: Final = 1000  # of a container: rows are left alone
_LARGEST: Final = 1 << 20  # bytes of an array, likewise
_GENERATORS: Final = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
_CONTAINERS: Final = (dict, list, set, collections.deque)
_PLAIN: Final = frozenset({int, float, str, bool, bytes, type(None)})
_BESIDE: Final = frozenset(
    {"threading", "_thread", "queue", "_queue", "concurrent", "multiprocessing", "asyncio"}
)


def feeds_in(held: object) -> Iterator[object]:
    """Yield the loaders in what a trainer was given: one, or several in containers."""
    if isinstance(held, FEEDS):
        yield held
    elif isinstance(held, dict | list | tuple):
        for each in held.values() if isinstance(held, dict) else held:
            yield from feeds_in(each)


def feed_of(feed: object) -> tuple[dict[str, object], Undo]:
    """Note a loader, a data set or a sampler; return what is small enough in it to be entered.

    One that works in threads of its own is left alone: what these change must stay.
    """
    attributes: dict[str, Any] = getattr(feed, "__dict__", {})
    before = dict(attributes)
    if any(type(v).__module__.partition(".")[0] in _BESIDE for v in before.values()):
        return {}, lambda: False

    def undo() -> bool:
        new = attributes.keys() - before.keys()
        moved = [name for name, value in before.items() if attributes.get(name) is not value]
        for name in new:
            del attributes[name]
        attributes.update((name, before[name]) for name in moved)
        return bool(new or moved)

    return {name: value for name, value in before.items() if _is_small(value)}, undo


def _is_small(value: object) -> bool:
    if isinstance(value, (*FEEDS, *_GENERATORS)):
        return True
    if isinstance(value, np.ndarray | Tensor):
        return value.nbytes <= _LARGEST
    if not isinstance(value, _CONTAINERS) or len(value) > _MOST_ITEMS:
        return False
    items = value.values() if isinstance(value, Mapping) else value
    return all(type(item) in _PLAIN or isinstance(item, FEEDS) for item in items)
