"""Which links of a plane are drawn: one of four rules, and never a link without weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from attn_monitor.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Which links are drawn: one rule at a time.

    Attributes:
        per_token: The strongest links of a plane, so many per token.
        count: The strongest links of a plane, so many in all.
        level: Every link at least this strong, in the units of the norm, 0 to 1.
        mass: The strongest links that together carry this share of a plane's weight, 0 to 1.

    Raises:
        ConfigurationError: Two rules at once, or a value outside its range.
    """

    per_token: float | int | None = None
    count: int | None = None
    level: float | int | None = None
    mass: float | int | None = None

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in ("per_token", "count", "level", "mass")}
        set_ = {name: value for name, value in given.items() if value is not None}
        if len(set_) > 1:
            raise ConfigurationError(
                f"{' and '.join(f'{n}={v}' for n, v in set_.items())} are different ways to "
                "choose links; give one of per_token, count, level and mass"
            )
        for name, value in set_.items():
            if value < 0 or (name in {"level", "mass"} and value > 1):
                wanted = "from 0 to 1" if name in {"level", "mass"} else ">= 0"
                raise ConfigurationError(f"{name} must be {wanted}, got {value}")

    def keep(
        self,
        weight: Float[np.ndarray, " link"],
        strength: Float[np.ndarray, " link"],
        *,
        tokens: int,
        every: float,
    ) -> Bool[np.ndarray, " link"]:
        """Return which links are drawn; a link without weight never is.

        Args:
            weight: Of every link that may be drawn.
            strength: How strong each looks.
            tokens: Tokens in the plane.
            every: Weight of all links of the plane.
        """
        seen = weight > 0
        order = np.argsort(-weight, kind="stable")
        if self.level is not None:
            return seen & (strength >= self.level)
        if self.mass is not None:
            # A link is needed while those before it do not reach the share; half an ulp of room.
            before = np.cumsum(weight[order]) - weight[order]
            most = int(np.sum(before < self.mass * every - 1e-9 * every))
        elif self.count is not None:
            most = self.count
        else:
            most = round((1.0 if self.per_token is None else self.per_token) * tokens)
        kept = np.zeros(len(weight), dtype=bool)
        kept[order[:most]] = True
        return seen & kept
