"""Which maps to give up when a recording outgrows its byte budget."""

from __future__ import annotations

import math
from collections.abc import Mapping


def steps_to_thin(sizes: Mapping[int, int], *, budget: int) -> tuple[int, ...]:
    """Return the steps whose maps should go, so that the rest fits in ``budget`` bytes.

    Attention changes fast early in training and slowly later, so steps are kept evenly on a
    logarithmic axis: again and again the inner step whose neighbours are closest there goes. The
    first and the last step always stay, even where they alone exceed the budget.

    Args:
        sizes: Bytes of maps per step.
        budget: Bytes allowed for all of them.
    """
    kept = sorted(sizes)
    total = sum(sizes.values())
    victims: list[int] = []
    while total > budget and len(kept) > 2:  # noqa: PLR2004 - the first and the last
        gaps = [
            math.log1p(after) - math.log1p(before)
            for before, after in zip(kept[:-2], kept[2:], strict=True)
        ]
        victim = kept.pop(1 + gaps.index(min(gaps)))
        victims.append(victim)
        total -= sizes[victim]
    return tuple(victims)
