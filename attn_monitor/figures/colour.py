"""The colours of heads and of attention weights, the same as in the TensorBoard tab.

Lightness is weight and hue is head: every ramp runs through the same lightnesses in OKLab
(Ottosson 2020), so that equal darkness means equal weight whatever the head.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8

INK, INK2, INK3 = "#1b1d21", "#4a4f57", "#62676f"
LINE, LINE2 = "#e1e3e6", "#c9ccd1"
PANEL, ACCENT, WARN = "#fafafa", "#b84c00", "#d98b1f"

# fmt: off
HEAD_HUES = (
    "#5b8df9", "#920d03", "#ab9104", "#4e32a2", "#017179", "#d064b9", "#0b9163", "#ab690e",
    "#8b5dce", "#9e4502", "#880a5d", "#03527b", "#24ae56", "#e15e8e", "#b56fdc", "#ae2749",
)
# fmt: on
"""Found by farthest-point search for normal, protan, deutan and tritan sight, in this order."""

_SLATE_HUE, _SLATE_CHROMA = 258.0, 0.045
_LIGHTEST, _DARKEST = 0.985, 0.385
_OUT_OF_GAMUT = 5e-4  # less than half a byte: rounding hides it
_LINEAR_BELOW, _CURVED_BELOW = 0.0031308, 0.04045  # where sRGB's transfer function bends
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_LAB, _FROM_LMS = np.linalg.inv(_TO_LAB), np.linalg.inv(_TO_LMS)


_TAG_HUES = {
    "NOUN": (295, 0.12),
    "PROPN": (320, 0.12),
    "PRON": (345, 0.1),
    "VERB": (150, 0.12),
    "AUX": (130, 0.1),
    "ADJ": (230, 0.12),
    "ADV": (205, 0.09),
    "ADP": (60, 0.12),
    "DET": (85, 0.11),
    "CCONJ": (30, 0.13),
    "SCONJ": (15, 0.12),
    "PART": (45, 0.09),
    "NUM": (180, 0.1),
    "INTJ": (0, 0.12),
    "PUNCT": (260, 0.02),
    "SYM": (260, 0.03),
    "X": (260, 0.015),
    "SOS": (260, 0.0),
    "EOS": (260, 0.0),
}
_TAG_LIGHTNESS = {"SOS": 0.45, "EOS": 0.62, "PUNCT": 0.75}


@lru_cache
def tag_colour(tag: str) -> str:
    """Return the colour of a part of speech: similar lightness, grey for what is not a word."""
    hue, chroma = _TAG_HUES[tag]
    return _hex(oklch(_TAG_LIGHTNESS.get(tag, 0.66), chroma, hue))


def head_colour(head: int) -> str:
    """Return the hue of a head; above sixteen heads the colours repeat and numbers decide."""
    return HEAD_HUES[head % len(HEAD_HUES)]


@lru_cache
def head_tint(head: int) -> str:
    """Return the pale ground of a head's badge."""
    return _hex(oklch(0.92, 0.045, _polar(head_colour(head))[1]))


@lru_cache
def ramp(head: int | None) -> UInt8[np.ndarray, "256 3"]:
    """Return the colours of the weights 0 to 1 in the hue of a head, in slate for ``None``."""
    chroma, hue = (_SLATE_CHROMA, _SLATE_HUE) if head is None else _polar(head_colour(head))
    chroma = chroma if head is None else max(0.1, chroma)
    steps = np.linspace(0, 1, 256)
    lightness = _LIGHTEST - (_LIGHTEST - _DARKEST) * steps
    return _locked(
        oklch(level, chroma * min(1, 1.6 * step), hue)
        for level, step in zip(lightness, steps, strict=True)
    )


@lru_cache
def diverging() -> UInt8[np.ndarray, "511 3"]:
    """Return blue over paper to red, for inner products: red is high, as in SANVis."""
    return _locked(
        oklch(0.985 - 0.53 * abs(step), 0.16 * min(1, 1.35 * abs(step)), 256 if step < 0 else 25)
        for step in np.linspace(-1, 1, 511)
    )


def paint(
    weights: Float[np.ndarray, "row column"], *, head: int | None
) -> UInt8[np.ndarray, "row column 3"]:
    """Return attention weights as colours: square-root scale, domain fixed at 0 to 1.

    On a linear scale a uniform row of fifteen words would be white. NaN is painted in the
    warning colour, because a head that broke must not look like one that is quiet.
    """
    broken = np.isnan(weights)
    codes = np.rint(255 * np.sqrt(np.clip(np.where(broken, 0, weights), 0, 1))).astype(np.intp)
    picture = np.asarray(ramp(head)[codes])
    picture[broken] = [int(WARN[place : place + 2], 16) for place in (1, 3, 5)]
    return picture


def paint_signed(
    values: Float[np.ndarray, "row column"], *, largest: float
) -> UInt8[np.ndarray, "row column 3"]:
    """Return signed values as blue to red, symmetric around 0 with the domain +-``largest``."""
    share = np.clip(values / (largest or 1.0), -1, 1)
    return np.asarray(diverging()[np.rint(255 + 255 * share).astype(np.intp)])


def oklch(lightness: float, chroma: float, hue: float | int) -> tuple[int, int, int]:
    """Return an OKLCH colour as sRGB bytes, with less chroma where the screen cannot show it."""
    direction = np.array([np.cos(np.radians(hue)), np.sin(np.radians(hue))])
    while True:
        lms = _FROM_LAB @ np.array([lightness, *(max(chroma, 0) * direction)])
        linear = _FROM_LMS @ lms**3
        if chroma <= 0 or abs(linear - 0.5).max() <= 0.5 + _OUT_OF_GAMUT:
            break
        chroma -= 0.004
    linear = np.clip(linear, 0, 1)
    curved = np.where(linear <= _LINEAR_BELOW, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (round(255 * float(channel)) for channel in curved)
    return red, green, blue


def _hex(channels: tuple[int, int, int]) -> str:
    red, green, blue = channels
    return f"#{red:02x}{green:02x}{blue:02x}"


def _polar(colour: str) -> tuple[float, float]:
    """Return chroma and hue angle of an sRGB colour written as ``#rrggbb``."""
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(
        channels <= _CURVED_BELOW, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
    )
    _, a, b = _TO_LAB @ np.cbrt(_TO_LMS @ linear)
    return float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a)) % 360)


def _locked(colours: Iterable[tuple[int, int, int]]) -> UInt8[np.ndarray, "steps 3"]:
    table = np.array(list(colours), dtype=np.uint8)
    table.setflags(write=False)  # cached and shared
    return table
