"""Who tags the words: the best tagger that this machine has, and its name for the tab."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

from attn_monitor.analysis.lens.closed_classes import FUNCTION_WORDS
from attn_monitor.analysis.lens.language import ENGLISH, recognise
from attn_monitor.analysis.lens.lexicon import tag_shape, tag_with_lexicon
from attn_monitor.analysis.lens.tags import Upos, from_penn


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagger:
    """A tagger and its name.

    Attributes:
        name: Shown beside the tags: what spoke, and how far to trust it.
        tag: The words of one sentence in, one universal tag per word out.
    """

    name: str
    tag: Callable[[Sequence[str]], Sequence[Upos]]


LEXICON = Tagger(name="built-in word lists (English)", tag=tag_with_lexicon)


def tagger_for(words: Iterable[str]) -> Tagger:
    """Return who can tag these words without guessing.

    English: :func:`best_tagger`. French, German and Spanish: lists of function words, everything
    else X. Any other language, or none (source code, names of pixels): X for every word.

    Args:
        words: All words of the sentences that are to be tagged.
    """
    language = recognise(words)
    if language == ENGLISH:
        return best_tagger()
    if language is None:
        return function_word_tagger({}, name="no one (unknown language)")
    return function_word_tagger(FUNCTION_WORDS[language], name=f"{language} function words")


def function_word_tagger(known: Mapping[str, Upos], *, name: str) -> Tagger:
    """Return a tagger that tags these words, numbers and punctuation, and calls the rest X."""

    def tag(words: Sequence[str]) -> list[Upos]:
        return [known.get(word.lower()) or tag_shape(word) or "X" for word in words]

    return Tagger(name=name, tag=tag)


@lru_cache
def best_tagger() -> Tagger:
    """Return the first for English that works here; nothing is ever downloaded.

    1. NLTK's averaged perceptron, if its English data lie in one of NLTK's folders;
    2. TextBlob's pattern tagger, if the package is installed (it carries its own data);
    3. word lists and endings, which need nothing.
    """
    return nltk_tagger() or textblob_tagger() or LEXICON


def nltk_tagger() -> Tagger | None:
    """Return NLTK's perceptron, ``None`` if NLTK or its English data are not there."""
    try:
        from nltk.tag import PerceptronTagger  # noqa: PLC0415  # 1 s, and only HeadLens needs it

        perceptron = PerceptronTagger(lang="eng")
    except (ImportError, LookupError):
        return None

    def tag(words: Sequence[str]) -> list[Upos]:
        return [from_penn(word, penn) for word, penn in perceptron.tag(list(words))]

    return Tagger(name="NLTK averaged perceptron (English)", tag=tag)


def textblob_tagger() -> Tagger | None:
    """Return TextBlob's pattern tagger, ``None`` if TextBlob is not installed."""
    try:
        english = import_module("textblob.en")
    except ImportError:
        return None

    def tag(words: Sequence[str]) -> Sequence[Upos]:
        found: list[tuple[str, str]] = english.tag(" ".join(words), tokenize=False)
        if len(found) != len(words):  # a word with a space in it, or an empty one
            return tag_with_lexicon(words)
        return [from_penn(word, penn) for word, (_, penn) in zip(words, found, strict=True)]

    return Tagger(name="TextBlob pattern tagger (English)", tag=tag)
