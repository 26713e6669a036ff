"""One recording from first to last step: replay, reduce, write, report. Knows no trainer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from jaxtyping import Float
from torch import nn

from attn_monitor.analysis.topology import register_topology
from attn_monitor.core.types import MetricSpec, Part, Probe
from attn_monitor.monitor import summaries
from attn_monitor.monitor.answers import OUTPUT_SPECS
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.guard import untouched
from attn_monitor.monitor.layout import Layout, Replay, find_layout
from attn_monitor.monitor.observation import Observation
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.pace import Pace
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.recorder import Recorder
from attn_monitor.monitor.summaries import SummaryWriter
from attn_monitor.monitor.worker import Worker
from attn_monitor.store import RunInfo, RunWriter, StepRecord

PICTURE_SHARE = 0.1  # of the wall time: in short epochs, not every step gets a picture


class Session:
    """Record a model on fixed probes into a run directory.

    Args:
        model: The module whose attention is recorded.
        batches: The probe batches, validation first.
        replay: Runs one probe batch through the model.
        run_dir: Where the recording goes; the directory of the event file.
        writer: TensorBoard's writer for that directory, ``None`` for a recording alone.
        options: What the user set.
        failures: Where problems are reported.
        phase: ``"fit"``, ``"validate"`` or ``"test"``; shown in the tab.
        resume_step: Drop steps after this one from an existing recording (a resumed training).

    Raises:
        NothingCapturedError: The model ran and no attention was seen.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        batches: Sequence[ProbeBatch],
        replay: Replay,
        run_dir: str,
        writer: SummaryWriter | None,
        options: MonitorOptions,
        failures: Failures,
        phase: str = "fit",
        resume_step: int | None = None,
    ) -> None:
        self.options = options
        self.failures = failures
        if options.topology:
            register_topology()
        self._replay = replay
        self._model = model
        with _quiet_forward(model):
            self.layout = find_layout(
                model,
                batches,
                replay,
                tokens=options.tokens,
                images=options.images,
                failures=failures,
            )
        self._recorder = Recorder(
            model=model,
            layout=self.layout,
            budget_bytes=int(options.budget_mb * 1e6),
            failures=failures,
        )
        with _quiet_forward(model):
            classes = self._recorder.find_classes(replay)
        info = RunInfo(
            parts=self.layout.parts,
            probes=self.layout.probes,
            metrics=self._recorder.specs,
            outputs=OUTPUT_SPECS,
            classes=classes,
            uniform=self._recorder.uniform(),
            options={
                **options.summary(),
                "phase": phase,
                "maps_kept": self._recorder.plan.whole,
                "vectors_kept": self._recorder.plan.vectors,
            },
            kept=self._recorder.plan.kept,
        )
        self._store = RunWriter(
            run_dir, info, resume_step=resume_step, budget_mb=options.run_budget_mb
        )
        self._report = _Report(writer, self.layout, self._recorder.specs, options, failures)
        self._worker = Worker(failures)
        self.last_step: int | None = None

    def record(self, *, step: int, epoch: int, scalars: Mapping[str, float]) -> None:
        """Replay the probes now; write and report in the background."""
        with self.failures.contained(f"replaying the probes at step {step}"):
            with _quiet_forward(self._model):
                observation = self._recorder.observe(self._replay)
            self.last_step = step
            record = StepRecord(
                step=step,
                epoch=epoch,
                attention=observation.attention,
                metrics=observation.metrics,
                vectors=observation.vectors,
                outputs=observation.outputs,
                windows=observation.windows,
                thumbnails=observation.thumbnails,
                classes=observation.classes,
                scalars=dict(scalars),
            )

            def write() -> None:
                with self.failures.contained(f"computing the metrics of step {step}"):
                    observation.deferred.finish()
                # The marker follows the data: a step that TensorBoard lists can be read.
                self._store.write(record)
                self._report(observation, step=step, epoch=epoch, session=self._store.session)

            self._worker.submit(f"writing step {step}", write)

    def close(self) -> None:
        """Wait for everything to be written."""
        self._worker.submit("drawing the last step", self._report.close)
        self._worker.close()
        with self.failures.contained("closing the recording"):
            self._store.close()


class _Report:
    """Scalars, pictures and markers of one step, for TensorBoard's own tabs and for ours.

    Pictures take at most ``PICTURE_SHARE`` of the time; the first and the last step have one.
    """

    def __init__(
        self,
        writer: SummaryWriter | None,
        layout: Layout,
        specs: tuple[MetricSpec, ...],
        options: MonitorOptions,
        failures: Failures,
    ) -> None:
        self._writer = writer
        self._layout = layout
        self._specs = specs
        self._options = options
        self._failures = failures
        self._pace = Pace(PICTURE_SHARE)
        self._undrawn: tuple[Observation, int, int] | None = None

    def __call__(self, seen: Observation, *, step: int, epoch: int, session: str) -> None:
        writer = self._writer
        if writer is None:
            return
        for part in self._layout.parts:
            values = mean_over_probes(seen.metrics[part.name], self._layout.probes)
            summaries.add_metrics(writer, part.name, values, step)
            if self._options.log_scalars:
                summaries.add_layer_scalars(writer, part, self._specs, values, step)
        summaries.add_counters(writer, {"monitor_errors": float(self._failures.count)}, step)
        summaries.add_marker(writer, session=session, step=step, epoch=epoch)
        # Flushed at once: the tab shows a step seconds after it was recorded.
        writer.flush()
        if self._options.log_images and self._pace.due():
            self._pictures(writer, seen, step=step, epoch=epoch)
        elif self._options.log_images:
            self._undrawn = (seen, step, epoch)

    def close(self) -> None:
        """Draw the last step, if it came too soon after the one before."""
        if self._writer is not None and self._undrawn is not None:
            seen, step, epoch = self._undrawn
            self._pictures(self._writer, seen, step=step, epoch=epoch)
            self._writer.flush()

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
        summaries.add_figure(writer, f"attention/{part.name}", figure, step)


def mean_over_probes(
    values: Float[np.ndarray, "probe layer head metric"], probes: Sequence[Probe]
) -> Float[np.ndarray, "layer head metric"]:
    """Return the mean over validation probes, NaN where no probe has a value."""
    chosen = [p.index for p in probes if p.split == "val"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a metric undefined for every probe
        mean: Float[np.ndarray, "layer head metric"] = np.nanmean(values[chosen], axis=0)
    return mean


@contextmanager
def _quiet_forward(model: nn.Module) -> Iterator[None]:
    """Replay without a trace: nothing changed in the model, nothing said about nested tensors."""
    with untouched(model), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*nested tensors is in prototype.*")
        yield
