"""A recording of which some steps are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from attn_monitor.core.nouns import MetricSpec, Part, Probe, Split
from attn_monitor.core.remarks import Remarks
from attn_monitor.signals.recording import Recording


@dataclass(frozen=True, slots=True)
class SomeSteps:
    """Some steps of a recording, as a recording.

    Attributes:
        run: The recording.
        steps: The steps of it, ascending.
    """

    run: Recording
    steps: tuple[int, ...]

    @property
    def epochs(self) -> tuple[int, ...]:
        """The epoch of each step."""
        epochs = dict(zip(self.run.steps, self.run.epochs, strict=True))
        return tuple(epochs[step] for step in self.steps)

    @property
    def probes(self) -> tuple[Probe, ...]:
        """The sentences replayed at every step."""
        return self.run.probes

    @property
    def options(self) -> Mapping[str, object]:
        """What was set for the recording."""
        return self.run.options

    @property
    def remarks(self) -> Remarks:
        """What is said beside the steps."""
        return self.run.remarks

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts."""
        return self.run.parts

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """What the numbers on the metric axis mean."""
        return self.run.metrics

    @property
    def output_specs(self) -> tuple[MetricSpec, ...]:
        """What is known of the model's output to each probe."""
        return self.run.output_specs

    def part(self, name: str) -> Part:
        """Return a part."""
        return self.run.part(name)

    def scalars(self, step: int) -> Mapping[str, float]:
        """Return the numbers of a whole step."""
        return self.run.scalars(step)

    def outputs(
        self, name: str, *, split: Split = "val", steps: Sequence[int] | None = None
    ) -> Float32[np.ndarray, "step probe"]:
        """Return one statistic of the model's output per step and probe of a split."""
        return self.run.outputs(name, split=split, steps=self._of(steps))

    def probe_metrics(
        self, *, part: str, split: Split = "val", steps: Sequence[int] | None = None
    ) -> Float32[np.ndarray, "step probe layer head metric"]:
        """Return every metric of every probe of a split."""
        return self.run.probe_metrics(part=part, split=split, steps=self._of(steps))

    def metric_values(
        self, *, part: str, split: Split = "val", steps: Sequence[int] | None = None
    ) -> Float32[np.ndarray, "step layer head metric"]:
        """Return every metric, mean over the probes of a split."""
        return self.run.metric_values(part=part, split=split, steps=self._of(steps))

    def _of(self, steps: Sequence[int] | None) -> Sequence[int]:
        return self.steps if steps is None else steps
