"""How much each head matters at one step, and what several of them may be muted together for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from attn_monitor.core.nouns import HeadId

IMPORTANCE: Final = "importance"  # the metric
LOSS: Final = "importance/loss"  # numbers of a step
REPEAT: Final = "importance/repeat"
HARMLESS: Final = 0.01  # of the loss, or of the output
_WITHOUT: Final = "importance/without_"
_SHARES: Final = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadImportance:
    """What muting heads did to the probes at one step, as measured.

    Attributes:
        step: The step.
        unit: ``"loss"``: by how much it rose; ``"share of the output"``: how far that moved, in
            units of its own size, where the model has no loss.
        heads: Every head that could be muted, with its effect, the least important first.
        without: Number of heads -> the effect of muting that many, from the front of ``heads``,
            all at once: measured, not added up.
        loss: The loss with all heads, ``None`` where there is none.
        repeat: How far the same pass differed from itself: smaller effects mean nothing.
    """

    step: int
    unit: str
    heads: tuple[tuple[HeadId, float], ...]
    without: Mapping[int, float]
    loss: float | None
    repeat: float

    @property
    def can_go(self) -> int:
        """How many heads, from the front, can be muted together and hardly anything changes.

        The loss rises by at most :data:`HARMLESS` of itself, or the output moves by no more.
        """
        scale = 1.0 if self.loss is None else abs(self.loss)
        fine = (n for n, effect in self.without.items() if effect <= HARMLESS * scale)
        return max(fine, default=0)

    def as_json(self) -> dict[str, object]:
        """Return the same as JSON can hold it; effects that are no numbers are ``None``."""
        return {
            "step": self.step,
            "unit": self.unit,
            "loss": _number(self.loss),
            "repeat": _number(self.repeat),
            "can_go": self.can_go,
            "heads": [
                {"part": head.part, "layer": head.layer, "head": head.head, "effect": effect}
                for head, effect in self.heads
            ],
            "without": [
                {"heads": count, "effect": _number(effect)}
                for count, effect in sorted(self.without.items())
            ],
        }


def importance_at(
    step: int,
    unit: str,
    effects: Mapping[str, Float[np.ndarray, "layer head"]],
    scalars: Mapping[str, float],
) -> HeadImportance | None:
    """Return what a step's effects and numbers say; ``None`` where nothing was measured."""
    heads = ranked(effects)
    if not heads:
        return None
    counts = {
        int(name.removeprefix(_WITHOUT)): value
        for name, value in scalars.items()
        if name.startswith(_WITHOUT) and name.removeprefix(_WITHOUT).isdecimal()
    }
    return HeadImportance(
        step=step,
        unit=unit,
        heads=heads,
        without=dict(sorted(counts.items())),
        loss=scalars.get(LOSS),
        repeat=scalars.get(REPEAT, float("nan")),
    )


def ranked(
    effects: Mapping[str, Float[np.ndarray, "layer head"]],
) -> tuple[tuple[HeadId, float], ...]:
    """Return every head whose effect is known, the smallest first, equal ones in their order."""
    known = [
        (HeadId(part, layer, head), float(values[layer, head]))
        for part, values in effects.items()
        for layer, head in np.argwhere(np.isfinite(values)).tolist()
    ]
    return tuple(sorted(known, key=lambda pair: pair[1]))


def joint_counts(heads: int) -> tuple[int, ...]:
    """Return how many heads are muted at once: some shares of all of them."""
    return tuple(sorted({round(share * heads) for share in _SHARES} - {0, heads}))


def without(count: int) -> str:
    """Return the name of a step's number: the effect of muting that many heads at once."""
    return f"{_WITHOUT}{count}"


def _number(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
