"""What a byte budget leaves of one sentence's attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["whole", "window", "thumbnail", "metrics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is written of one probe at every step, beside its metrics, which always are.

    Attributes:
        probe: Index of the probe.
        form: ``"whole"``: every weight. ``"window"``: every weight between the first ``window``
            tokens, and coarse maps of the whole sentence. ``"thumbnail"``: coarse maps only.
            ``"metrics"``: no maps.
        window: Tokens along each axis of a window, from the first; 0 in other forms.
        cells: Largest number of cells along each axis of the coarse maps; 0 where there are none.
        layers: How many layers of each part have coarse maps, evenly spread with the first and
            the last among them; ``None`` for all.
        heads: How many heads of these layers, chosen likewise; ``None`` for all.
        vectors: Queries and keys are written too.
    """

    probe: int
    form: Form
    window: int = 0
    cells: int = 0
    layers: int | None = None
    heads: int | None = None
    vectors: bool = False


def stretch_length(queries: int, keys: int, cells: int) -> int:
    """Return how many tokens share a cell, so that neither axis has more than ``cells``.

    Both axes have stretches of the same length, so that the diagonal stays the diagonal.
    """
    return -(-max(queries, keys) // cells)


def stretch_edges(tokens: int, length: int) -> tuple[int, ...]:
    """Return where the stretches of an axis begin, and, last, where the last one ends.

    Example:
        >>> stretch_edges(10, 4)
        (0, 4, 8, 10)
    """
    return (*range(0, tokens, length), tokens)
