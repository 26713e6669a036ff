"""When a trainer's run is recorded."""

from __future__ import annotations

from dataclasses import dataclass

from attn_monitor.monitor.options import at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """At the validations of every n-th epoch, or after every n-th optimizer step instead.

    Attributes:
        every_n_epochs: The last validation of a training is recorded in any case.
        every_n_steps: ``None`` to record at validations.

    Raises:
        ConfigurationError: A number below 1.
    """

    every_n_epochs: int = 1
    every_n_steps: int | None = None

    def __post_init__(self) -> None:
        at_least("every_n_epochs", self.every_n_epochs, 1)
        if self.every_n_steps is not None:
            at_least("every_n_steps", self.every_n_steps, 1)

    def at_validation(self, epochs: int, *, of: int | None) -> bool:
        """Return whether to record at a validation.

        Args:
            epochs: Epochs that have ended.
            of: How many there will be, ``None`` if that is not known.
        """
        return self.every_n_steps is None and (epochs == of or epochs % self.every_n_epochs == 0)

    def at_step(self, step: int) -> bool:
        """Return whether to record after that many optimizer steps."""
        return self.every_n_steps is not None and step % self.every_n_steps == 0
