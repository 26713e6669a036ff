"""An answer, or the reason why there is none. Never a zero that stands for "not computed"."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NotComputed:
    """What stands in place of a number that was not worked out.

    Attributes:
        reason: One sentence for people: the limit, the size that met it, what to do.
    """

    reason: str

    def __bool__(self) -> bool:
        """Return false, so that ``if bars:`` reads as "if there are any"."""
        return False
