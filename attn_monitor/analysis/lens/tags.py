"""The part-of-speech tags of HeadLens: 17 universal ones, the start and the end of a sentence."""

from __future__ import annotations

from typing import Literal, get_args

Upos = Literal[
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "SYM",
    "VERB",
    "X",
    "SOS",
    "EOS",
]
TAGS: tuple[Upos, ...] = get_args(Upos)

_FROM_PENN: dict[str, Upos] = {
    "CC": "CCONJ",
    "CD": "NUM",
    "DT": "DET",
    "EX": "PRON",
    "IN": "ADP",
    "MD": "AUX",
    "PDT": "DET",
    "POS": "PART",
    "RP": "ADP",
    "TO": "PART",
    "UH": "INTJ",
    "WDT": "DET",
    "WRB": "ADV",
    "SYM": "SYM",
    "$": "SYM",
    "#": "SYM",
    "FW": "X",
    "LS": "X",
}
_FAMILIES: tuple[tuple[str, Upos], ...] = (
    ("NNP", "PROPN"),
    ("NN", "NOUN"),
    ("JJ", "ADJ"),
    ("RB", "ADV"),
    ("VB", "VERB"),
    ("PRP", "PRON"),
    ("WP", "PRON"),
)
_AUXILIARIES = frozenset(
    {"be", "am", "is", "are", "was", "were", "been", "being", "'m", "'re", "'s"}
    | {"have", "has", "had", "having", "'ve", "do", "does", "did"}
)
_CONJUNCTIONS = frozenset({"because", "although", "though", "while", "if", "unless", "whether"})


def from_penn(word: str, tag: str) -> Upos:
    """Return the universal tag of a word that was tagged with the Penn Treebank set.

    Penn does not tell auxiliaries from verbs, nor "if" from "of": a short list of words does.
    Every form of be, have and do counts as an auxiliary. Unknown tags of words without letters
    are punctuation, other unknown tags X.
    """
    low = word.lower()
    if tag == "IN" and low in _CONJUNCTIONS:
        return "SCONJ"
    if tag.startswith("VB") and low in _AUXILIARIES:
        return "AUX"
    if low in {"not", "n't"}:
        return "PART"
    if tag in _FROM_PENN:
        return _FROM_PENN[tag]
    for prefix, universal in _FAMILIES:
        if tag.startswith(prefix):
            return universal
    return "X" if any(letter.isalnum() for letter in word) else "PUNCT"
