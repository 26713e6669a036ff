"""One recording from first to last step: replay, reduce, write, report. Knows no trainer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import nn

from attn_monitor.analysis import registered_metrics
from attn_monitor.analysis.topology import TOPOLOGY_METRICS
from attn_monitor.monitor.alerts import Alerts
from attn_monitor.monitor.answers import OUTPUT_SPECS
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.feed_forward import feed_forward_widths
from attn_monitor.monitor.guard import untouched
from attn_monitor.monitor.handover import Handover
from attn_monitor.monitor.layout import Replay, find_layout
from attn_monitor.monitor.loggers import Loggers
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.recorder import Recorder
from attn_monitor.monitor.report import Report
from attn_monitor.monitor.summaries import SummaryWriter
from attn_monitor.store import RunInfo, RunWriter, StepRecord


class Session:
    """Record a model on fixed probes into a run directory.

    Args:
        model: The module whose attention is recorded.
        batches: The probe batches, validation first.
        replay: Runs one probe batch through the model.
        run_dir: Where the recording goes; the directory of the event file. ``None`` writes nothing
            and still replays: processes that train together must all run the same operations.
        writer: TensorBoard's writer for that directory, ``None`` for a recording alone.
        loggers: Other loggers, such as W&B's: numbers and pictures, see :class:`Loggers`.
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
        run_dir: str | None,
        writer: SummaryWriter | None,
        loggers: Sequence[object] = (),
        options: MonitorOptions,
        failures: Failures,
        phase: str = "fit",
        resume_step: int | None = None,
    ) -> None:
        self.options = options
        self.failures = failures
        metrics = registered_metrics()
        if options.topology:
            metrics += TOPOLOGY_METRICS
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
            metrics=metrics,
            budget_bytes=int(options.budget_mb * 1e6),
            failures=failures,
        )
        with _quiet_forward(model):
            classes = self._recorder.find_classes(replay)
        info = RunInfo(
            parts=self.layout.parts,
            probes=self.layout.probes,
            metrics=metrics.specs,
            outputs=OUTPUT_SPECS,
            classes=classes,
            uniform=self._recorder.uniform(),
            options={
                **options.summary(),
                **feed_forward_widths(model, self.layout.parts[0].layers[0].name),
                "phase": phase,
                "not_captured": "\n".join(str(gap) for gap in self.layout.gaps),
                "maps_kept": self._recorder.plan.whole,
                "vectors_kept": self._recorder.plan.vectors,
            },
            kept=self._recorder.plan.kept,
        )
        self._loggers = Loggers(
            loggers, failures, prefix="attention" if phase == "fit" else f"attention/{phase}"
        )
        self.last_step: int | None = None
        self._handover: Handover | None = None
        if run_dir is None:
            return
        self._handover = Handover(
            lambda: RunWriter(
                run_dir, info, resume_step=resume_step, budget_mb=options.run_budget_mb
            ),
            report=Report(
                writer,
                self._loggers,
                layout=self.layout,
                metrics=metrics.metrics,
                options=options,
                failures=failures,
            ),
            alerts=Alerts(
                run_dir,
                numbers=bool(options.log_scalars) and writer is not None,
                on_signal=options.on_signal,
                failures=failures,
            ),
            failures=failures,
        )

    def record(self, *, step: int, epoch: int, scalars: Mapping[str, float]) -> None:
        """Replay the probes now; write and report in the background."""
        with self.failures.contained(f"replaying the probes at step {step}"):
            with _quiet_forward(self._model):
                observation = self._recorder.observe(self._replay)
            self.last_step = step
            if self._handover is None:
                return
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
            self._handover.give(observation, record)

    def deliver(self) -> None:
        """Hand the numbers of finished steps to the loggers, in the caller's thread."""
        self._loggers.deliver()

    def close(self) -> None:
        """Wait for everything to be written, if the disk answers."""
        if self._handover is not None:
            self._handover.close()
        self.deliver()


@contextmanager
def _quiet_forward(model: nn.Module) -> Iterator[None]:
    """Replay without a trace: nothing changed in the model, nothing said about nested tensors."""
    with untouched(model), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*nested tensors is in prototype.*")
        yield
