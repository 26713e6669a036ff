"""Do training and validation probes differ in what has nothing to do with learning?

Sentences that are longer, or hold more unknown words, get other attention and less certain
answers whether or not the model has seen them. In the first of our experiments a vocabulary built
from a small training set (no unknown words there, 26 % in validation) made attention look like a
perfect detector of overfitting; with one vocabulary for both sets nothing of it remained.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_monitor.core.nouns import Probe, Tokens
from attn_monitor.signals.permutation import deals, mean_differences, p_larger

ALPHA = 0.01
EFFECT = 0.5  # standard deviations: with a hundred sentences, less is significant and harmless
_UNKNOWN = re.compile(r"^([\[<{(]?\|?)(unk|unknown|oov)(\|?[\]>})]?)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property of the sentences, compared between the two sets.

    Attributes:
        name: ``"length"``, ``"unknown"`` or ``"special"``.
        title: What was counted.
        val: Mean over validation probes.
        train: Mean over training probes.
        d: Difference of means in pooled standard deviations (Cohen 1988, chapter 2), 0 where
            nothing differs, infinite where each set has a constant of its own.
        p: Two-sided permutation p-value of the difference of means.
    """

    name: str
    title: str
    val: float
    train: float
    d: float
    p: float

    @property
    def matches(self) -> bool:
        """Whether the sets may be compared as far as this property goes."""
        return self.p >= ALPHA or abs(self.d) < EFFECT


def compare_probe_sets(val: Sequence[Probe], train: Sequence[Probe]) -> tuple[Property, ...]:
    """Return length, share of unknown tokens and number of special tokens of both sets.

    Unknown tokens are told by how the tokenizer spells them (``[UNK]``, ``<unk>``); a tokenizer
    that has none, or spells it otherwise, has a share of 0 in both sets.
    """
    return tuple(
        _property(name, title, val, train, measure)
        for name, title, measure in (
            ("length", "tokens per sentence", _length),
            ("unknown", "share of unknown tokens", _unknown),
            ("special", "special tokens per sentence", _special),
        )
    )


def _property(
    name: str,
    title: str,
    val: Sequence[Probe],
    train: Sequence[Probe],
    measure: Callable[[Tokens], float],
) -> Property:
    first, second = _values(val, measure), _values(train, measure)
    member = deals(len(first), len(second))
    differences = mean_differences(member, np.concatenate([first, second])[:, None])
    return Property(
        name=name,
        title=title,
        val=float(first.mean()),
        train=float(second.mean()),
        d=_effect(first, second),
        p=float(p_larger(np.abs(differences))[0]),
    )


def _effect(first: Float[np.ndarray, " first"], second: Float[np.ndarray, " second"]) -> float:
    difference = float(first.mean() - second.mean())
    deviations = ((x - x.mean()) ** 2 for x in (first, second))
    squares = sum(float(each.sum()) for each in deviations)
    spread = math.sqrt(squares / max(len(first) + len(second) - 2, 1))
    if difference == 0:
        return 0.0
    return difference / spread if spread else math.copysign(math.inf, difference)


def _values(
    probes: Sequence[Probe], measure: Callable[[Tokens], float]
) -> Float[np.ndarray, " probe"]:
    return np.array([_over_streams(probe, measure) for probe in probes])


def _over_streams(probe: Probe, measure: Callable[[Tokens], float]) -> float:
    streams = [probe.source] if probe.target is None else [probe.source, probe.target]
    return float(np.mean([measure(stream) for stream in streams]))


def _length(tokens: Tokens) -> float:
    return float(len(tokens))


def _unknown(tokens: Tokens) -> float:
    return sum(_UNKNOWN.match(text) is not None for text in tokens.text) / max(len(tokens), 1)


def _special(tokens: Tokens) -> float:
    return float(len(tokens.special))
