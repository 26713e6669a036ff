"""Tokens as text that Matplotlib can draw: no formulas, no missing glyphs, no line breaks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from matplotlib import font_manager

FONT = "DejaVu Sans"
"""Ships inside Matplotlib, so that figures look the same on every machine."""


def drawable(text: str) -> str:
    """Return the text with every character that the font lacks as a hollow square."""
    known = _characters()
    return "".join(letter if ord(letter) in known else "\u25a1" for letter in text)


def sentence(tokens: Iterable[str], *, longest: int) -> str:
    """Return the tokens as one line of at most ``longest`` characters, the middle left out."""
    words = drawable(" ".join(tokens))
    if len(words) <= longest:
        return words
    half = max((longest - 3) // 2, 1)
    return f"{words[:half].rstrip()} \u2026 {words[-half:].lstrip()}"


@lru_cache
def _characters() -> frozenset[int]:
    font = font_manager.get_font(font_manager.findfont(FONT))
    return frozenset(code for code in font.get_charmap() if code >= ord(" "))
