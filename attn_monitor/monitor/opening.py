"""Opening a recording: where it goes, and who is told of its steps."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from attn_monitor.analysis import MetricSet
from attn_monitor.core.class_answer import ClassLayer
from attn_monitor.monitor.alerts import Alerts
from attn_monitor.monitor.certainty import OUTPUT_SPECS
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.guard import Guard
from attn_monitor.monitor.handover import Handover
from attn_monitor.monitor.layout import Layout
from attn_monitor.monitor.loggers import Loggers
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.recorder import Recorder
from attn_monitor.monitor.report import Report
from attn_monitor.monitor.summaries import SummaryWriter
from attn_monitor.store import RunInfo, RunWriter
from attn_monitor.store.records import Option

_PAGE_MB: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What stays the same, however often a recording is described anew.

    Attributes:
        run_dir: Where it goes.
        writer: TensorBoard's writer for that directory, ``None`` for a recording alone.
        loggers: Other loggers.
        metrics: What is measured of every head.
        options: What the user set.
        failures: Where problems are reported.
        guard: Puts everything back after a replay.
    """

    run_dir: str
    writer: SummaryWriter | None
    loggers: Loggers
    metrics: MetricSet
    options: MonitorOptions
    failures: Failures
    guard: Guard

    def handover(
        self, info: RunInfo, layout: Layout, *, resume_step: int | None, after: Handover | None
    ) -> Handover:
        """Begin the recording, or go on with it under another description.

        Args:
            info: The description.
            layout: Where every attention call belongs.
            resume_step: What was recorded up to here stays; ``None`` starts over.
            after: What is taken over from.
        """
        on_signal: Callable[..., object] | None = self.options.on_signal
        return Handover(
            lambda: RunWriter(
                self.run_dir, info, resume_step=resume_step, budget_mb=self.options.run_budget_mb
            ),
            report=Report(
                self.writer,
                self.loggers,
                layout=layout,
                metrics=self.metrics.metrics,
                options=self.options,
                failures=self.failures,
                page=partial(_write_page, self.run_dir),
            ),
            alerts=Alerts(
                self.run_dir,
                numbers=bool(self.options.log_scalars) and self.writer is not None,
                on_signal=on_signal and self.guard.between_replays(on_signal),
                failures=self.failures,
            ),
            failures=self.failures,
            after=after,
        )


def described(
    recorder: Recorder,
    metrics: MetricSet,
    *,
    classes: ClassLayer | None,
    options: Mapping[str, Option],
) -> RunInfo:
    """Return the description of a recording.

    Args:
        recorder: What observes the model.
        metrics: What is measured of every head.
        classes: What the model decides between.
        options: What the reader is told beside it.
    """
    layout, plan = recorder.layout, recorder.plan
    return RunInfo(
        parts=layout.parts,
        probes=layout.probes,
        metrics=metrics.specs,
        outputs=OUTPUT_SPECS,
        classes=classes,
        uniform=recorder.uniform(),
        options={
            **options,
            "not_captured": "\n".join(str(gap) for gap in layout.gaps),
            "maps_kept": plan.whole,
            "vectors_kept": plan.vectors,
        },
        kept=plan.kept,
    )


def described_anew(info: RunInfo, recorder: Recorder) -> RunInfo:
    """Return the description after the layout took in more."""
    return replace(
        info,
        parts=recorder.layout.parts,
        probes=recorder.layout.probes,
        uniform=recorder.uniform(),
        kept=recorder.plan.kept,
    )


def _write_page(run_dir: str, path: Path) -> None:
    """Write what was recorded so far as one HTML file."""
    above = importlib.import_module("tb_plugin.offline")  # by name: it stands above this
    choice = above.Choice(lenses=False)  # computed head by head, which would take too long here
    above.export_run(run_dir, path, choice=choice, max_mb=_PAGE_MB)
