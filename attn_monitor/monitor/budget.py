"""Which probes keep their maps and vectors, so that one recorded step fits its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attn_monitor.core.types import Part, Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The probes, by index, whose maps and whose query and key vectors are written.

    Attributes:
        maps: Probes that keep their maps.
        vectors: Probes that keep queries and keys too.
        size: Bytes per step, uncompressed.
    """

    maps: frozenset[int]
    vectors: frozenset[int]
    size: int


def keep_within(
    budget: int, parts: Sequence[Part], probes: Sequence[Probe], widths: dict[str, int]
) -> Kept:
    """Choose probes that fit ``budget`` bytes; metrics are computed on all of them anyway.

    Validation and training probes take turns, so that a small budget still holds both; lens
    probes, which need vectors beside their maps, come last. A probe that does not fit is skipped
    and a shorter one may still be kept.

    Args:
        budget: Bytes per recorded step, one byte per weight and two per vector entry.
        parts: The streams of attention.
        probes: The sentences.
        widths: Vector entries per token and head in each part.
    """
    groups = [[p for p in probes if p.split == split] for split in ("val", "train")]
    longest = max(map(len, groups), default=0)
    turns = [group[i] for i in range(longest) for group in groups if i < len(group)]
    turns += [p for p in probes if p.split == "lens"]
    maps: set[int] = set()
    vectors: set[int] = set()
    used = 0
    for probe in turns:
        size = sum(_map_bytes(part, probe) for part in parts)
        if probe.split == "lens":
            size += sum(_vector_bytes(part, probe, widths.get(part.name, 0)) for part in parts)
        if used + size > budget:
            continue
        used += size
        maps.add(probe.index)
        if probe.split == "lens":
            vectors.add(probe.index)
    return Kept(maps=frozenset(maps), vectors=frozenset(vectors), size=used)


def _map_bytes(part: Part, probe: Probe) -> int:
    query, key = probe.axes(part)
    return len(part.layers) * part.heads * len(query) * (len(key) + 2)


def _vector_bytes(part: Part, probe: Probe, width: int) -> int:
    query, key = probe.axes(part)
    return 2 * len(part.layers) * part.heads * (len(query) + len(key)) * width
