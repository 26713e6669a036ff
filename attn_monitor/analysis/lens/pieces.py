"""Whole words from word pieces: people and taggers read words, models read pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_STARTS = ("\u0120", "\u2581")  # byte-level BPE and SentencePiece mark where a word starts
_ENDS = "</w>"  # the first BPE marked where it ends
_CONTINUES = "##"  # WordPiece marks what goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one sentence.

    Attributes:
        text: Every word, without marks of the tokenizer.
        of_token: The word that each token belongs to; -1 for special tokens.
    """

    text: tuple[str, ...]
    of_token: tuple[int, ...]


def join_pieces(tokens: Sequence[str], *, special: Sequence[int] = ()) -> Words:
    """Return the words behind the tokens of one sentence.

    Understands WordPiece (``##ing``), byte-level BPE (a leading ``\u0120``), SentencePiece (a
    leading ``\u2581``), BPE with ``</w>``, and tokens that are words already. Punctuation is
    always a word of its own.
    """
    apart = frozenset(special)
    marks_starts = any(token.startswith(_STARTS) for token in tokens)
    marks_ends = any(token.endswith(_ENDS) for token in tokens)
    words: list[str] = []
    owner: list[int] = []
    open_word = False
    for place, token in enumerate(tokens):
        if place in apart:
            owner.append(-1)
            open_word = False
            continue
        text = _plain(token)
        goes_on = token.startswith(_CONTINUES) and len(token) > len(_CONTINUES)
        goes_on |= marks_starts and not token.startswith(_STARTS)
        goes_on |= marks_ends
        letters = any(letter.isalnum() for letter in text)
        if open_word and goes_on and (letters or not text):
            words[-1] += text
        else:
            words.append(text or token)
        owner.append(len(words) - 1)
        open_word = (letters or not text) and not (marks_ends and token.endswith(_ENDS))
    return Words(text=tuple(words), of_token=tuple(owner))


def _plain(token: str) -> str:
    if token.startswith(_CONTINUES) and len(token) > len(_CONTINUES):
        return token[len(_CONTINUES) :]
    return token.removesuffix(_ENDS).lstrip("".join(_STARTS))
