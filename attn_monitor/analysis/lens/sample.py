"""The tokens whose queries and keys a lens looks at, in the order of their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from attn_monitor.analysis.lens.pieces import join_pieces
from attn_monitor.analysis.lens.taggers import Tagger, tagger_for
from attn_monitor.analysis.lens.tags import TAGS, Upos
from attn_monitor.core.nouns import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSample:
    """All tokens of a sample of sentences, one after the other.

    Attributes:
        words: The whole word that each token is part of.
        tags: Index into ``TAGS`` of that word's part of speech.
        place: Where in its sentence each token stands, 0 first to 1 last.
        sentence: The sentence of each token.
        tagger: Who tagged the words.
    """

    words: tuple[str, ...]
    tags: Int[np.ndarray, " token"]
    place: Float[np.ndarray, " token"]
    sentence: Int[np.ndarray, " token"]
    tagger: str

    def __len__(self) -> int:
        return len(self.words)


def sample_tokens(sentences: Sequence[Tokens], *, tagger: Tagger | None = None) -> TokenSample:
    """Return the tokens of the sentences with their words, parts of speech and places.

    Words are tagged whole and every piece of a word gets its tag. Special tokens before the first
    word are the start of the sentence (SOS), after the last word its end (EOS).

    Args:
        sentences: Valid tokens only, in the order in which their vectors were collected.
        tagger: Who tags; if ``None``, the best one of this machine for their language.
    """
    joined_sentences = [join_pieces(tokens.text, special=tokens.special) for tokens in sentences]
    speaker = tagger or tagger_for(word for joined in joined_sentences for word in joined.text)
    words: list[str] = []
    tags: list[int] = []
    places: list[float] = []
    numbers: list[int] = []
    for number, (tokens, joined) in enumerate(zip(sentences, joined_sentences, strict=True)):
        spoken: Sequence[Upos] = speaker.tag(joined.text) if joined.text else ()
        inner = [place for place, word in enumerate(joined.of_token) if word >= 0]
        for place, word in enumerate(joined.of_token):
            words.append(tokens.text[place] if word < 0 else joined.text[word])
            tag = _special_tag(place, inner) if word < 0 else spoken[word]
            tags.append(TAGS.index(tag))
            places.append(place / max(len(tokens) - 1, 1))
            numbers.append(number)
    return TokenSample(
        words=tuple(words),
        tags=np.array(tags, dtype=int),
        place=np.array(places, dtype=float),
        sentence=np.array(numbers, dtype=int),
        tagger=speaker.name,
    )


def _special_tag(place: int, inner: Sequence[int]) -> Upos:
    if not inner or place < inner[0]:
        return "SOS"
    return "EOS" if place > inner[-1] else "X"
