"""Heads that a model could do without: pairs that do the same, and heads that choose nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.methods.pairs import row_distance
from attn_monitor.analysis.metrics.shared import choosing_rows
from attn_monitor.core.arrays import evenly_spread
from attn_monitor.core.maps import Maps

ONE_PLACE: Final = 0.9  # share of all attention on one key from which on a head reads nothing else
NEAR_EVEN: Final = 0.1  # Jensen-Shannon distance from even attention up to which a head averages
_SHORTLIST: Final = 4  # pairs measured exactly, for every one that is wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadPair:
    """Two heads that do nearly the same.

    Attributes:
        first: Layer and head, counted from 0.
        second: The other's, in a later layer or later in the same one.
        distance: Mean row Jensen-Shannon distance, 0 for equal maps, 1 for maps without a
            common key.
    """

    first: tuple[int, int]
    second: tuple[int, int]
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleHead:
    """A head whose attention does not depend on what is asked.

    Attributes:
        layer: Counted from 0.
        head: Counted from 0.
        kind: ``"one_place"``: nearly all attention goes to a single key; ``"even"``: it is spread
            over all visible keys.
        measure: Share of attention on that key, or the distance from even attention.
        place: The key's position where it is the same in all sentences, else ``None``.
    """

    layer: int
    head: int
    kind: Literal["one_place", "even"]
    measure: float
    place: int | None


def redundant_pairs(
    sentences: Sequence[Sequence[Maps]], *, most: int = 40, rows: int = 64
) -> tuple[HeadPair, ...]:
    """Return the pairs of heads that differ least, of any two layers, the nearest first.

    All pairs are compared by the Bhattacharyya coefficient of their rows, one product of matrices;
    the most alike are then measured. Heads with undefined weights are in no pair.

    Args:
        sentences: Maps as ``[sentence][layer]``.
        most: How many pairs to return.
        rows: How many queries of a sentence are compared, evenly spread over those with a choice.
    """
    samples = [sample for sentence in sentences if (sample := _sample(sentence, rows)) is not None]
    if not samples:
        return ()
    alike = np.mean([_overlap(sample) for sample in samples], axis=0)
    first, second = np.triu_indices(len(alike), k=1)
    defined = np.isfinite(alike[first, second])
    first, second = first[defined], second[defined]
    near = np.argsort(-alike[first, second], kind="stable")[: _SHORTLIST * most]
    first, second = first[near], second[near]
    distances = np.mean(
        [row_distance(sample[first], sample[second]).mean(axis=-1) for sample in samples],
        axis=0,
    )
    names = _names(sentences[0])
    order = np.argsort(distances, kind="stable")[:most]
    return tuple(
        HeadPair(first=names[first[at]], second=names[second[at]], distance=float(distances[at]))
        for at in order
    )


def idle_heads(sentences: Sequence[Sequence[Maps]], *, rows: int = 64) -> tuple[IdleHead, ...]:
    """Return the heads that look at one place whatever is asked, or evenly at all.

    Args:
        sentences: Maps as ``[sentence][layer]``.
        rows: How many queries of a sentence are read, evenly spread over those with a choice.
    """
    shares, places, apart = [], [], []
    for sentence in sentences:
        sample = _sample(sentence, rows)
        if sample is None:
            continue
        received = sample.mean(axis=1)
        shares.append(received.max(axis=-1))
        places.append(received.argmax(axis=-1))
        even = np.broadcast_to(_even(sentence[0], rows), sample.shape)
        apart.append(row_distance(sample, even).mean(axis=-1))
    if not shares:
        return ()
    share, distance = np.mean(shares, axis=0), np.mean(apart, axis=0)
    found = []
    for at, (layer, head) in enumerate(_names(sentences[0])):
        if share[at] >= ONE_PLACE:
            seen = {int(place[at]) for place in places}
            place = seen.pop() if len(seen) == 1 else None
            found.append(
                IdleHead(
                    layer=layer, head=head, kind="one_place", measure=float(share[at]), place=place
                )
            )
        elif distance[at] <= NEAR_EVEN:
            found.append(
                IdleHead(
                    layer=layer, head=head, kind="even", measure=float(distance[at]), place=None
                )
            )
    return tuple(found)


def _names(layers: Sequence[Maps]) -> list[tuple[int, int]]:
    return [(at, head) for at, maps in enumerate(layers) for head in range(maps.heads)]


def _chosen(maps: Maps, rows: int) -> list[int]:
    """Return which queries are compared: those that have a choice, evenly spread."""
    choosing = np.flatnonzero(choosing_rows(maps))
    return [int(choosing[at]) for at in evenly_spread(len(choosing), rows)]


def _sample(layers: Sequence[Maps], rows: int) -> Float[np.ndarray, "head row key"] | None:
    """Return the compared rows of all heads of all layers; ``None`` where no query has a choice."""
    chosen = _chosen(layers[0], rows)
    if not chosen:
        return None
    return np.concatenate([maps.attn[:, chosen] for maps in layers])


def _even(maps: Maps, rows: int) -> Float[np.ndarray, "row key"]:
    """Return even attention of the compared rows."""
    chosen, even = _chosen(maps, rows), maps.uniform()
    return np.concatenate([even.rows(row, row + 1)[0] for row in chosen])


def _overlap(sample: Float[np.ndarray, "head row key"]) -> Float[np.ndarray, "head head"]:
    """Return the mean Bhattacharyya coefficient of the rows of every two heads."""
    roots = np.sqrt(sample).reshape(len(sample), -1)
    return np.asarray(roots @ roots.T / sample.shape[1])
