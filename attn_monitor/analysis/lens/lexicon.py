"""A part-of-speech tagger that needs no data: closed word classes, endings and a little context.

The last link of the chain in :mod:`~attn_monitor.analysis.lens.taggers`. It knows English, is
right for most words of everyday text and always answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attn_monitor.analysis.lens.tags import Upos

_CLASSES: tuple[tuple[Upos, str], ...] = (
    ("DET", "a an the this these those every each some any no all both either neither another "
            "such which what whose half"),
    ("PRON", "i you he she it we they me him her us them my your his its our their mine yours "
             "hers ours theirs myself yourself himself herself itself ourselves themselves who "
             "whom someone somebody something anyone anything everyone everything nobody nothing "
             "none one u"),
    ("AUX", "be am is are was were been being have has had having do does did will would shall "
            "should can could may might must 'm 're 've 'll 'd cannot ca wo ai isn't aren't "
            "wasn't weren't don't doesn't didn't can't won't couldn't wouldn't shouldn't haven't "
            "hasn't i'm it's you're we're they're i've i'll"),
    ("ADP", "of in on at by for from with without about above across after against along among "
            "around as before behind below beneath beside between beyond down during inside into "
            "like near off onto out outside over past per through throughout till toward towards "
            "under underneath until up upon via within"),
    ("CCONJ", "and or but nor yet & plus"),
    ("SCONJ", "because although though while if unless since whereas whether that once"),
    ("PART", "to not n't 's ' 't"),
    ("ADV", "very too also just now then here there never always often again soon still even ever "
            "only maybe perhaps quite rather almost already away back so how when where why "
            "however instead later once twice today tomorrow tonight yesterday together well "
            "enough far much more most less least almost else"),
    ("INTJ", "oh hi hello hey yes yeah please thanks wow lol ok okay ah ugh alas bye sorry"),
    ("NUM", "zero two three four five six seven eight nine ten eleven twelve twenty thirty forty "
            "fifty hundred thousand million billion"),
    ("VERB", "say says said go goes went gone get gets got make makes made know knows knew known "
             "think thinks thought take takes took taken see sees saw seen come comes came want "
             "wants look looks use uses find finds found give gives gave given tell tells told "
             "work works call calls try tries ask asks need needs feel feels felt become becomes "
             "became leave leaves left put mean means meant keep keeps kept let lets begin begins "
             "began show shows shown hear hears heard run runs ran hold holds held bring brings "
             "brought write writes wrote written sit sits sat stand stands stood lose loses lost "
             "pay pays paid meet meets met send sends sent buy buys bought fly flies flew flown "
             "wait speak spoke learn help thank fix book love loves hate hates eat ate sleep "
             "slept win won fall falls fell fell spend spent build built sing sang throw threw"),
    ("ADJ", "good new old great big high small large long little own other right young important "
            "few bad same able best better free full sure next last first second early late "
            "different many nice happy sad red blue green black white brown quick lazy easy hard "
            "hot cold poor rich open close whole real true wrong ready safe single main worst "
            "worse rude terrible awful"),
)  # fmt: skip
_KNOWN: dict[str, Upos] = {word: tag for tag, words in reversed(_CLASSES) for word in words.split()}
_CLOSED = {"DET", "PRON", "AUX", "ADP", "CCONJ", "SCONJ", "PART"}
ENGLISH_FUNCTION_WORDS = frozenset(word for word, tag in _KNOWN.items() if tag in _CLOSED)
_SHAPES: tuple[tuple[re.Pattern[str], Upos], ...] = (
    (re.compile(r"[+-]?\d[\d.,:%]*(st|nd|rd|th|s)?"), "NUM"),
    (re.compile(r"(http|www\.).*"), "X"),
    (re.compile(r"[@#].*"), "PROPN"),
)
_ENDINGS: tuple[tuple[re.Pattern[str], Upos], ...] = (
    (re.compile(r".{3,}([ts]ion|ment|ness|ship|ity|ism)s?"), "NOUN"),
    (re.compile(r".{3,}ly"), "ADV"),
    (re.compile(r".{3,}(ing|ed)"), "VERB"),
    (re.compile(r".{3,}(ous|ful|able|ible|ical|ive|less|ish|est)"), "ADJ"),
)
_SYMBOLS = frozenset("$€£%+=<>^~|*/\\@#&")


def tag_with_lexicon(words: Sequence[str]) -> list[Upos]:
    """Return one universal tag per word of one English sentence."""
    tags: list[Upos] = []
    for place, word in enumerate(words):
        before = tags[-1] if tags else None
        tags.append(_in_context(word, place, before, words))
    return tags


def tag_shape(word: str) -> Upos | None:
    """Return the tag that a word's characters give away in any language, ``None`` for most words.

    Punctuation, symbols, numbers, addresses and ``@names`` need no dictionary.
    """
    if not any(letter.isalnum() for letter in word):
        return "SYM" if word and set(word) <= _SYMBOLS else "PUNCT"
    return next((tag for shape, tag in _SHAPES if shape.fullmatch(word.lower())), None)


def _in_context(word: str, place: int, before: Upos | None, words: Sequence[str]) -> Upos:
    """Return the tag of a word, given the tag of the one before it."""
    tag = _alone(word, first=place == 0)
    previous = words[place - 1].lower() if place else ""
    noun_wanted = before in {"DET", "ADJ", "NUM"} or previous in {"my", "your", "its", "our"}
    if tag == "VERB" and noun_wanted and not word.lower().endswith(("ing", "ed")):
        return "NOUN"
    if tag == "NOUN" and word.islower() and (previous == "to" or before == "AUX"):
        return "VERB" if previous == "to" or not word.endswith("s") else "NOUN"
    return tag


def _alone(word: str, *, first: bool) -> Upos:
    """Return the most likely tag of a word without its neighbours."""
    low = word.lower()
    if low in _KNOWN:
        return _KNOWN[low]
    if (shape := tag_shape(word)) is not None:
        return shape
    if word[0].isupper() and not first:
        return "PROPN"
    return next((tag for shape, tag in _ENDINGS if shape.fullmatch(low)), "NOUN")
