"""How much of the attention fits a number of bytes, and what is given up first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from attn_monitor.capture.parts import Call
from attn_monitor.capture.thumbnail import SIDE

_SMALLEST_WINDOW: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to keep of each sentence's attention.

    Attributes:
        sentences: How many sentences, in their order.
        window: Keep maps of the first ``window`` tokens; ``None`` for all tokens, 0 for no maps.
        thumbnail: Also keep coarse maps of the whole sentence with this many cells per axis.
        layers: Which calls, by position in execution order.
        size: Bytes that the plan takes.
    """

    sentences: int
    window: int | None
    thumbnail: int | None
    layers: tuple[int, ...]
    size: int


def fit(calls: Sequence[Call], *, sentences: int, budget: int, weight_bytes: int = 1) -> Plan:
    """Return the richest plan that fits.

    Given up in this order: sentences down to one; then whole maps, for a window of the first
    tokens beside a thumbnail of everything; then the window; then layers, evenly spaced with the
    first and the last kept. The last thing kept is one layer's thumbnails, even over budget.

    Args:
        calls: The attention calls of one forward pass, in execution order.
        sentences: How many sentences are wanted.
        budget: Bytes per recorded step.
        weight_bytes: Bytes that one stored weight takes.

    Example:
        >>> call = Call(module="a", call=0, kind="self", causal=False, heads=8, queries=64, keys=64)
        >>> fit([call] * 6, sentences=16, budget=1_000_000).sentences
        5
    """
    everything = tuple(range(len(calls)))
    whole = weight_bytes * sum(_map(call, None) for call in calls)
    if whole <= budget:
        count = min(sentences, budget // max(1, whole))
        return Plan(
            sentences=count, window=None, thumbnail=None, layers=everything, size=count * whole
        )
    window = max(max(call.queries, call.keys) for call in calls)
    while window > _SMALLEST_WINDOW:
        window = max(_SMALLEST_WINDOW, window // 2)
        size = weight_bytes * sum(_map(call, window) + _map(call, SIDE) for call in calls)
        if size <= budget:
            return Plan(sentences=1, window=window, thumbnail=SIDE, layers=everything, size=size)
    for count in range(len(calls), 0, -1):
        layers = _spread(len(calls), count)
        size = weight_bytes * sum(_map(calls[layer], SIDE) for layer in layers)
        if size <= budget or count == 1:
            break
    return Plan(sentences=1, window=0, thumbnail=SIDE, layers=layers, size=size)


def _map(call: Call, side: int | None) -> int:
    """Return how many weights one sentence's map has, cropped to ``side`` tokens or cells."""
    queries, keys = call.queries, call.keys
    if side is not None:
        queries, keys = min(queries, side), min(keys, side)
    return call.heads * call.windows * queries * keys


def _spread(size: int, count: int) -> tuple[int, ...]:
    """Return ``count`` positions of ``size``, evenly spaced, first and last among them."""
    if count == 1:
        return (0,)
    return tuple(round(i * (size - 1) / (count - 1)) for i in range(count))
