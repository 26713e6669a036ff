"""One answer about a run, with its evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import numpy as np

Level = Literal["found", "look", "clear", "unknown"]
Evidence = float | int | str | bool | None | list["Evidence"] | dict[str, "Evidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One answer about a run.

    Attributes:
        name: Identifier, for example ``"padding"``; what ``--fail-on`` takes.
        level: ``"found"``: something is wrong; ``"look"``: it may be, and it depends on what the
            model is for; ``"clear"``: looked for and not there; ``"unknown"``: the recording does
            not say.
        sentence: What was seen, with its figures.
        evidence: The same figures for machines; undefined numbers are ``None``.
        link: The tab's address behind ``#``: the view that shows it.
    """

    name: str
    level: Level
    sentence: str
    evidence: Mapping[str, Evidence]
    link: str

    def as_json(self) -> dict[str, Evidence]:
        """Return it as plain values."""
        return {
            "name": self.name,
            "level": self.level,
            "sentence": self.sentence,
            "evidence": dict(self.evidence),
            "link": self.link,
        }


def number(value: float | np.floating | np.ndarray) -> float | None:
    """Return a number with four digits; what is no number is unknown, and JSON has no NaN."""
    found = float(value)
    return float(f"{found:.4g}") if math.isfinite(found) else None


def link(**choices: object) -> str:
    """Return the tab's address for some choices, such as ``view="heads"``."""
    pairs = (f"p.attn_monitor.{name}={quote(str(value))}" for name, value in choices.items())
    return "#" + "&".join(("attn_monitor", *pairs))
