"""What the user calls things: names along axes, values beside them, a title per sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.monitor.failures import Failures

Features = Sequence[str] | Mapping[str, Sequence[str]] | None
TitlesOf = Callable[[object], Sequence[str]]
ValuesOf = Callable[[object], Tensor | Sequence[Sequence[object]]]


def check_features(features: object) -> None:
    """Refuse a ``features=`` option that holds no names.

    Raises:
        ConfigurationError: It is neither a list of names nor a mapping of parts to such lists.
    """
    lists: list[object] = [*features.values()] if isinstance(features, Mapping) else [features]
    for names in lists if features is not None else ():
        listed = isinstance(names, Sequence) and not isinstance(names, str) and len(names) > 0
        strings = isinstance(names, Sequence) and all(isinstance(name, str) for name in names)
        if not (listed and strings):
            raise ConfigurationError(
                f"features={features!r} is no list of names. Wanted: one string per token, as in "
                'features=["age", "income"]; or several such lists by the part they are of, '
                'features={"encoder": [...], "cross.query": [...], "cross.key": [...]}'
            )


@dataclass(slots=True, kw_only=True)
class Labels:
    """What the user said about axes and sentences.

    Attributes:
        features: Names along every axis that has as many tokens, or by part, by side
            (``"query"``, ``"key"``) or by both (``"cross.key"``).
        titles: Returns a title per sentence of a batch.
        values: Returns what stands at each name, ``[sentence, name]``; by default what the batch
            itself holds there, where it is a single number.
        failures: Told what does not fit.
    """

    features: Features = None
    titles: TitlesOf | None = None
    values: ValuesOf | None = None
    failures: Failures = field(default_factory=Failures)

    def titled(self, batch: object, rows: Sequence[int]) -> tuple[str | None, ...]:
        """Return the titles of some sentences of a batch."""
        if self.titles is None:
            return (None,) * len(rows)
        titles: tuple[str | None, ...] = (None,) * len(rows)
        with self.failures.contained("titling the probes"):
            found = self.titles(batch)
            if isinstance(found, str) or len(found) <= max(rows, default=-1):
                raise ConfigurationError(
                    f"titles= returned {found!r}; wanted one string for each of the sentences of a "
                    f"batch, here at least {max(rows) + 1}"
                )
            titles = tuple(str(found[row]) for row in rows)
        return titles

    def names(self, part: str, base: str, side: str) -> tuple[str, Sequence[str]] | None:
        """Return what stands along an axis, as far as the user said it, and under which key."""
        if not isinstance(self.features, Mapping):
            return None if self.features is None else ("", self.features)
        keys = (f"{part}.{side}", part, f"{base}.{side}", base, side)
        return next(((key, self.features[key]) for key in keys if key in self.features), None)
