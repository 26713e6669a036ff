"""Which language a sample of sentences is in, told by its function words.

A tagger for English calls every French word it does not know a noun. A wrong tag is worse than
none, so the words are asked first what language they are in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attn_monitor.analysis.lens.closed_classes import FUNCTION_WORDS
from attn_monitor.analysis.lens.lexicon import ENGLISH_FUNCTION_WORDS

ENGLISH = "English"
LEAST_SHARE = 0.1


def recognise(words: Iterable[str]) -> str | None:
    """Return the language with the most function words among these, ``None`` if all have few.

    Args:
        words: All words of a sample; those without letters say nothing and are not counted.
    """
    spoken = [word.lower() for word in words if any(letter.isalpha() for letter in word)]
    if not spoken:
        return None
    shares = {name: _share(spoken, known) for name, known in _LANGUAGES.items()}
    language = max(shares, key=lambda name: shares[name])
    return language if shares[language] >= LEAST_SHARE else None


_LANGUAGES: Mapping[str, frozenset[str]] = {
    ENGLISH: ENGLISH_FUNCTION_WORDS,
    **{name: frozenset(words) for name, words in FUNCTION_WORDS.items()},
}


def _share(words: list[str], known: frozenset[str]) -> float:
    return sum(word in known for word in words) / len(words)
