"""What one step looks like in TensorBoard's own tabs and in other loggers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis import Metric
from attn_monitor.core.arrays import mean_of_defined
from attn_monitor.core.nouns import Part, Probe
from attn_monitor.monitor import summaries
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.layout import Layout
from attn_monitor.monitor.loggers import Loggers
from attn_monitor.monitor.observation import Observation
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.pace import Pace
from attn_monitor.monitor.summaries import SummaryWriter

CHARTS = 12  # in the Scalars tab and in other loggers, beside what the user logs
PICTURE_SHARE = 0.1  # of the wall time: in short epochs, not every step gets a picture


class Report:
    """Scalars, pictures and markers of one step, for TensorBoard's own tabs and for ours.

    Pictures take at most ``PICTURE_SHARE`` of the time; the first and the last step have one.
    """

    def __init__(
        self,
        writer: SummaryWriter | None,
        loggers: Loggers,
        *,
        layout: Layout,
        metrics: tuple[Metric, ...],
        options: MonitorOptions,
        failures: Failures,
        page: Callable[[Path], object],
    ) -> None:
        self._writer = writer
        self._loggers = loggers
        self._layout = layout
        self._metrics = metrics
        self._options = options
        self._failures = failures
        self._pace = Pace(PICTURE_SHARE)
        self._page = page
        self._recorded = 0
        self._unpaged: int | None = None
        self._undrawn: tuple[Observation, int, int] | None = None

    def __call__(
        self,
        seen: Observation,
        *,
        step: int,
        epoch: int,
        session: str,
        signals: Mapping[str, float],
    ) -> None:
        """Write what one step showed."""
        writer = self._writer
        if writer is None:
            return
        means = {
            part.name: mean_over_probes(seen.metrics[part.name], self._layout.probes)
            for part in self._layout.parts
        }
        for name, values in means.items():
            summaries.add_metrics(writer, name, values, step)
        numbers = self._numbers(means, signals)
        summaries.add_charts(writer, numbers, step)
        self._loggers.numbers(numbers, step)
        summaries.add_marker(writer, session=session, step=step, epoch=epoch)
        # Flushed at once: the tab shows a step seconds after it was recorded.
        writer.flush()
        if self._options.log_images and self._pace.due():
            self._pictures(writer, seen, step=step, epoch=epoch)
        elif self._options.log_images:
            self._undrawn = (seen, step, epoch)

        if every := self._options.log_page_every:
            self._recorded += 1
            self._unpaged = step
            if self._recorded % every == 0:
                self._give_page()

    def _give_page(self) -> None:
        """Give the loggers the page of all steps so far, if they do not have it."""
        if self._unpaged is not None:
            self._loggers.page(self._page, self._unpaged)
            self._unpaged = None

    def close(self) -> None:
        """Draw the last step, if it came too soon after the one before, and give its page."""
        self._give_page()
        if self._writer is not None and self._undrawn is not None:
            seen, step, epoch = self._undrawn
            self._pictures(self._writer, seen, step=step, epoch=epoch)
            self._writer.flush()

    def _numbers(
        self,
        means: Mapping[str, Float[np.ndarray, "layer head metric"]],
        signals: Mapping[str, float],
    ) -> dict[str, float]:
        numbers = {"monitor_errors": float(self._failures.count), **signals}
        if self._options.log_scalars == "all":
            for part in self._layout.parts:
                numbers |= summaries.charts(part, self._metrics, means[part.name])
        elif self._options.log_scalars:
            most = CHARTS - len(numbers)
            numbers |= summaries.few_charts(means, self._metrics, most=most)
        return numbers

    def _pictures(self, writer: SummaryWriter, seen: Observation, *, step: int, epoch: int) -> None:
        self._undrawn = None
        with self._pace.working():
            for part in self._layout.parts:
                self._picture(writer, part, seen, step=step, epoch=epoch)

    def _picture(
        self, writer: SummaryWriter, part: Part, seen: Observation, *, step: int, epoch: int
    ) -> None:
        # Matplotlib takes half a second to import, and a run without pictures never needs it.
        from attn_monitor.figures import head_grid  # noqa: PLC0415

        if not seen.attention[part.name]:
            return
        index = min(seen.attention[part.name])
        query, key = self._layout.probes[index].axes(part)
        figure = head_grid(
            seen.attention[part.name][index],
            query_tokens=query.text,
            key_tokens=key.text,
            title=f"{part.name}, probe {index + 1}, epoch {epoch}, step {step}",
            heads_per_layer=tuple(layer.heads for layer in part.layers),
        )
        pixels = summaries.drawn(figure)
        summaries.add_picture(writer, f"attention/{part.name}", pixels, step)
        self._loggers.picture(part.name, pixels, step)


def mean_over_probes(
    values: Float[np.ndarray, "probe layer head metric"], probes: Sequence[Probe]
) -> Float[np.ndarray, "layer head metric"]:
    """Return the mean over validation probes, NaN where no probe has a value.

    Without any, as in a training without validation, over the training probes.
    """
    of_validation = [p.index for p in probes if p.split == "val"]
    chosen = values[of_validation or [p.index for p in probes if p.split == "train"]]
    return np.asarray(mean_of_defined(chosen, axes=(0,)), dtype=np.float32)
