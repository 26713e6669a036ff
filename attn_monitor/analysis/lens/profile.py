"""What the tokens of each cluster have in common: part of speech, place, words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from attn_monitor.analysis.lens.sample import TokenSample
from attn_monitor.analysis.lens.tags import TAGS, Upos

PLACES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A frequent word of a cluster.

    Attributes:
        text: The word, lower case.
        count: How many of the cluster's tokens are part of it.
        tag: The part of speech that most of them have.
    """

    text: str
    count: int
    tag: Upos


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One row per cluster of a lens.

    Attributes:
        size: Number of tokens.
        tags: Share of each part of speech, columns as in ``TAGS``; rows sum to 1.
        places: Share of tokens in each stretch of the sentence, first to last; rows sum to 1.
        words: The most frequent words, most frequent first, ties in alphabetical order.
        base_tags: The same shares over all tokens: divide by them to see what is special.
        base_places: The same shares over all tokens.
    """

    size: Int[np.ndarray, " cluster"]
    tags: Float[np.ndarray, "cluster tag"]
    places: Float[np.ndarray, "cluster place"]
    words: tuple[tuple[Word, ...], ...]
    base_tags: Float[np.ndarray, " tag"]
    base_places: Float[np.ndarray, " place"]


def profile_clusters(
    labels: Int[np.ndarray, " token"],
    sample: TokenSample,
    *,
    k: int,
    places: int = PLACES,
    words: int = 12,
) -> Profile:
    """Return what is in every cluster; a cluster without tokens has rows of zeros.

    Args:
        labels: The cluster of every token of the sample.
        sample: The tokens.
        k: Number of clusters.
        places: Into how many stretches a sentence is divided.
        words: How many words to list per cluster.

    Raises:
        ValueError: If labels and sample do not have the same tokens.
    """
    if len(labels) != len(sample):
        raise ValueError(
            f"{len(labels)} clustered tokens, {len(sample)} tokens in the sample; "
            "describe the sentences whose vectors were clustered"
        )
    stretch = np.minimum((sample.place * places).astype(int), places - 1)
    tag_counts = _table(labels, sample.tags, k, len(TAGS))
    place_counts = _table(labels, stretch, k, places)
    return Profile(
        size=np.asarray(tag_counts.sum(axis=1)),
        tags=_shares(tag_counts),
        places=_shares(place_counts),
        words=tuple(_frequent(np.flatnonzero(labels == c), sample, words) for c in range(k)),
        base_tags=_shares(tag_counts.sum(axis=0)),
        base_places=_shares(place_counts.sum(axis=0)),
    )


def _table(
    row: Int[np.ndarray, " token"], column: Int[np.ndarray, " token"], rows: int, columns: int
) -> Int[np.ndarray, "row column"]:
    counts = np.zeros((rows, columns), dtype=int)
    np.add.at(counts, (row, column), 1)
    return counts


def _shares(counts: Int[np.ndarray, "*rows column"]) -> Float[np.ndarray, "*rows column"]:
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1))


def _frequent(
    tokens: Int[np.ndarray, " member"], sample: TokenSample, most: int
) -> tuple[Word, ...]:
    seen: dict[str, Counter[int]] = {}
    for token in tokens.tolist():
        seen.setdefault(sample.words[token].lower(), Counter())[int(sample.tags[token])] += 1
    ranked = sorted(seen.items(), key=lambda item: (-item[1].total(), item[0]))
    return tuple(
        Word(text=text, count=tags.total(), tag=TAGS[tags.most_common(1)[0][0]])
        for text, tags in ranked[:most]
    )
