"""When a trainer's run is recorded."""

from __future__ import annotations

from dataclasses import dataclass

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.monitor.options import at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """At the validations of every n-th epoch, or after every n-th optimizer step instead.

    Attributes:
        every_n_epochs: ``None`` for every epoch; the last validation is recorded in any case.
        every_n_steps: ``None`` to record at validations.

    Raises:
        ConfigurationError: A number below 1, or both.
    """

    every_n_epochs: int | None = None
    every_n_steps: int | None = None

    def __post_init__(self) -> None:
        if self.every_n_epochs is not None and self.every_n_steps is not None:
            raise ConfigurationError(
                f"got every_n_epochs={self.every_n_epochs!r} and every_n_steps="
                f"{self.every_n_steps!r}; a run is recorded by one or the other, so leave one out"
            )
        if self.every_n_epochs is not None:
            at_least("every_n_epochs", self.every_n_epochs, 1)
        if self.every_n_steps is not None:
            at_least("every_n_steps", self.every_n_steps, 1)

    def at_validation(self, epochs: int, *, of: int | None, ending: bool = False) -> bool:
        """Return whether to record at a validation.

        Args:
            epochs: Epochs that have ended.
            of: How many there will be, ``None`` if that is not known.
            ending: Whether the training ends after it for another reason.
        """
        every = self.every_n_epochs or 1
        last = ending or epochs == of
        return self.every_n_steps is None and (last or epochs % every == 0)

    def at_step(self, step: int) -> bool:
        """Return whether to record after that many optimizer steps."""
        return self.every_n_steps is not None and step % self.every_n_steps == 0
