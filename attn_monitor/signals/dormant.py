"""Heads that write next to nothing: since when they sleep, and when others woke up.

Heads switch between the two during training (Sandoval-Segura et al. 2026), so that a list of one
step alone would call a head dead that only rests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

ASLEEP: Final = 0.2  # of what an average head of the layer writes: below it a head sleeps
AWAKE: Final = 0.3  # above it a head that slept is awake; between the two it stays what it was


@dataclass(frozen=True, slots=True, kw_only=True)
class DormantHead:
    """A head that sleeps, or slept.

    Attributes:
        layer: Counted from 0.
        head: Counted from 0.
        writes: What it writes now, in units of what an average head of its layer writes.
        asleep: Whether it sleeps now.
        spells: The steps at which it fell asleep and woke up, in order; a spell that goes on has
            no second step. The first step of a recording stands for "since it began".
    """

    layer: int
    head: int
    writes: float
    asleep: bool
    spells: tuple[tuple[int, int | None], ...]


def dormant_heads(
    shares: Float[np.ndarray, "step layer head"], steps: Sequence[int], heads: Sequence[int]
) -> tuple[DormantHead, ...] | None:
    """Return the heads that sleep at the last step, the least first, then those that slept before.

    Args:
        shares: Each head's share in what its layer writes; NaN where unknown.
        steps: The steps.
        heads: How many heads each layer has.

    Returns:
        The heads; ``None`` where no share is known.
    """
    if not np.isfinite(shares).any():
        return None
    relative = shares * np.asarray(heads)[None, :, None]
    found = []
    for layer, count in enumerate(heads):
        for head in range(count if count > 1 else 0):  # one head alone has nobody to compare with
            values = relative[:, layer, head]
            spells = _spells(values, steps)
            known = values[np.isfinite(values)]
            if spells:
                found.append(
                    DormantHead(
                        layer=layer,
                        head=head,
                        writes=float(known[-1]),
                        asleep=spells[-1][1] is None,
                        spells=spells,
                    )
                )
    return tuple(sorted(found, key=lambda each: (not each.asleep, each.writes)))


def _spells(
    values: Float[np.ndarray, " step"], steps: Sequence[int]
) -> tuple[tuple[int, int | None], ...]:
    spells: list[tuple[int, int | None]] = []
    asleep = False
    for value, step in zip(values.tolist(), steps, strict=True):
        if not asleep and value < ASLEEP:
            asleep = True
            spells.append((step, None))
        elif asleep and value > AWAKE:
            asleep = False
            spells[-1] = spells[-1][0], step
    return tuple(spells)
