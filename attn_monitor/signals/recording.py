"""What the signals read of a recording: a :class:`attn_monitor.store.Run` has all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from attn_monitor.core.nouns import MetricSpec, Part, Probe, Split
from attn_monitor.core.remarks import Remarks

OWN_PROBES: Final = "own"  # the option "probes" of a recording whose user gave them


@runtime_checkable  # shapes are checked at run time in the tests
class Recording(Protocol):
    """A run, finished or still being written."""

    @property
    def steps(self) -> tuple[int, ...]:
        """Recorded steps, ascending."""
        ...

    @property
    def epochs(self) -> tuple[int, ...]:
        """The epoch of each recorded step."""
        ...

    @property
    def probes(self) -> tuple[Probe, ...]:
        """The sentences replayed at every step."""
        ...

    @property
    def options(self) -> Mapping[str, object]:
        """What was set for the recording."""
        ...

    @property
    def remarks(self) -> Remarks:
        """What is said beside the steps."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts."""
        ...

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """What the numbers on the metric axis mean."""
        ...

    @property
    def output_specs(self) -> tuple[MetricSpec, ...]:
        """What is known of the model's output to each probe."""
        ...

    def part(self, name: str) -> Part:
        """Return a part."""
        ...

    def scalars(self, step: int) -> Mapping[str, float]:
        """Return the numbers of a whole step, such as ``val_loss``."""
        ...

    def outputs(
        self, name: str, *, split: Split = "val", steps: Sequence[int] | None = None
    ) -> Float32[np.ndarray, "step probe"]:
        """Return one statistic of the model's output per step and probe of a split."""
        ...

    def probe_metrics(
        self, *, part: str, split: Split = "val", steps: Sequence[int] | None = None
    ) -> Float32[np.ndarray, "step probe layer head metric"]:
        """Return every metric of every probe of a split."""
        ...

    def metric_values(
        self, *, part: str, split: Split = "val", steps: Sequence[int] | None = None
    ) -> Float32[np.ndarray, "step layer head metric"]:
        """Return every metric, mean over the probes of a split."""
        ...
