"""One recording from first to last step: replay, reduce, write, report. Knows no trainer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from torch import nn

from attn_monitor.analysis import registered_metrics
from attn_monitor.analysis.topology import TOPOLOGY_METRICS
from attn_monitor.monitor.exact_importance import ImportanceMeter
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.feed_forward import feed_forward_widths
from attn_monitor.monitor.fingerprint import Fingerprint, fingerprint, sums
from attn_monitor.monitor.guard import (
    Guard,
    Replay,
    quiet_forward,
    random_state_kept,
    repeatable,
    reshard,
)
from attn_monitor.monitor.handover import Handover
from attn_monitor.monitor.layout import Layout, layout_as_chosen
from attn_monitor.monitor.loggers import Loggers
from attn_monitor.monitor.mask_and_growth import Beside
from attn_monitor.monitor.observation import Observation
from attn_monitor.monitor.opening import Opening, described, described_anew
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.place import Earlier
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.recorder import Recorder
from attn_monitor.monitor.states import CannotPutBackError
from attn_monitor.monitor.summaries import SummaryWriter
from attn_monitor.monitor.widening import widened
from attn_monitor.signals.losses import watched
from attn_monitor.store import StepRecord, Untouched

THOROUGH: Final = 8  # of that many replays one is checked by every number of every parameter


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
        heard: What the model's step logged in the last replay, where there is such a step.
        phase: ``"fit"``, ``"validate"`` or ``"test"``; shown in the tab.
        resume_step: Drop steps after this one from an existing recording (a resumed training).
        guard: Puts everything back after a replay.
        reads: Returns the fingerprint of the training, to compare before and after a replay;
            with ``True``, of some of its numbers only.
        beside: Where to record if an earlier recording in ``run_dir`` is to be kept.
        before: The session that this one takes over from, with the sentences that have come since;
            it is not to be closed.
        watched_metric: What the training calls its best step by, as options of the recording.

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
        writer: SummaryWriter | Callable[[str], SummaryWriter] | None,
        loggers: Sequence[object] = (),
        options: MonitorOptions,
        failures: Failures,
        heard: Mapping[str, float] | None = None,
        phase: str = "fit",
        resume_step: int | None = None,
        guard: Guard | None = None,
        reads: Callable[[bool], Fingerprint] | None = None,
        beside: Earlier | None = None,
        before: Session | None = None,
        watched_metric: Mapping[str, str] | None = None,
    ) -> None:
        self.options = options
        self._watched = watched_metric or {}
        self.failures = failures
        self._guard = Guard(model) if guard is None else guard
        self._reads = reads or (lambda sampled: fingerprint(model, sampled=sampled))
        metrics = registered_metrics()
        if options.topology:
            metrics += TOPOLOGY_METRICS
        self._replay = replay = repeatable(replay, model)
        self._guard.begin()
        with quiet_forward(self._guard):
            known: Layout | None = None if before is None else before.layout
            self.layout: Layout = layout_as_chosen(
                model, batches, replay, options, failures, before=known
            )
            self._meter: ImportanceMeter | None = None
            if options.importance is not None:
                self._meter = ImportanceMeter(
                    model=model,
                    layout=self.layout,
                    replay=replay,
                    heard={} if heard is None else heard,
                    failures=failures,
                )
                metrics += self._meter.metrics  # the last column
            self._recorder = Recorder(
                model=model,
                layout=self.layout,
                metrics=metrics,
                budget_bytes=int(options.budget_mb * 1e6),
                failures=failures,
            )
            classes = self._recorder.find_classes(replay)
        self._info = described(
            self._recorder,
            metrics,
            classes=classes,
            options={
                **options.summary(),
                **feed_forward_widths(model, self.layout.parts[0].layers[0].name),
                "phase": phase,
                **self._watched,
            },
        )
        prefix = "attention" if phase == "fit" else f"attention/{phase}"
        self._loggers: Loggers = (
            Loggers(loggers, failures, prefix=prefix) if before is None else before._loggers
        )
        self.last_step: int | None = None
        self._handover: Handover | None = None
        self._opening: Opening | None = None
        self._resume_step = resume_step
        self.widened = False
        self._pending: _Seen | None = None
        self._stopped = False
        self._observed = self._checked = 0
        self._always = phase != "fit"  # a validation alone is the last and the best of its run
        self._lowest = math.inf
        self._written: tuple[int, Mapping[str, float], list[int]] | None = None
        self.run_dir = run_dir
        if run_dir is None:
            return
        if beside is not None:
            self.run_dir = run_dir = beside.directory(run_dir, self._info)
        if callable(writer):
            writer = writer(run_dir)
        self._opening = Opening(
            run_dir=run_dir,
            writer=writer,
            loggers=self._loggers,
            metrics=metrics,
            options=options,
            failures=failures,
            guard=self._guard,
        )
        self._handover = self._opening.handover(
            self._info,
            self.layout,
            resume_step=resume_step,
            after=None if before is None else before._handover,
        )

    @property
    def beside(self) -> Beside:
        """What is done and said beside the steps."""
        handover, step = self._handover, self.last_step or 0
        return Beside(
            model=self._guard.model,
            layout=self.layout,
            replay=self._replay,
            options=self.options,
            failures=self.failures,
            undisturbed=lambda work: self._untouched(work, step) is not None,
            remark=(lambda _: None) if handover is None else handover.remark,
        )

    @property
    def batches(self) -> tuple[ProbeBatch, ...]:
        """The probe batches that are replayed."""
        return self.layout.batches

    def record(self, *, step: int, epoch: int, scalars: Mapping[str, float]) -> None:
        """Replay the probes now; write and report in the background."""
        self.observe(step=step, epoch=epoch)
        self.write(scalars)

    def observe(self, *, step: int, epoch: int, importance: bool = False) -> None:
        """Replay the probes now, and keep what they show until :meth:`write`.

        Args:
            step: Optimizer steps taken.
            epoch: Epochs trained.
            importance: Whether to mute each head now, also where the options do not ask for it.
        """
        self._pending = None
        self._observed += 1
        every = self.options.importance
        due = self._always or (isinstance(every, int) and self._observed % every == 0)
        seen: list[Observation] = []
        measured: dict[str, float] = {}

        def replay() -> None:
            found = self._recorder.observe(self._replay)
            seen.append(self._widened(step) or found if self._recorder.late else found)
            if importance or due:
                measured.update(self._measured(seen[0]))

        if (proved := self._untouched(replay, step)) is not None:
            self.last_step = step
            self._guard.proved.add(step)
            self._pending = _Seen(seen[0], step, epoch, *proved, measured)

    def _widened(self, step: int) -> Observation | None:
        """Take in layers that attend since now, as parts of their own, and look once more."""
        layout = widened(
            self._recorder,
            self._replay,
            step=step,
            options=self.options,
            failures=self.failures,
        )
        self.widened = self.widened or layout is not None
        if layout is None:
            return None
        self.layout, self._recorder = layout, self._recorder.over(layout)
        self._info = described_anew(self._info, self._recorder)
        if self._opening is not None:
            self._handover = self._opening.handover(
                self._info,
                layout,
                resume_step=self._resume_step if self.last_step is None else self.last_step,
                after=self._handover,
            )
        return self._recorder.observe(self._replay)

    def _untouched(
        self, replay: Callable[[], None], step: int
    ) -> tuple[Untouched, list[int]] | None:
        """Run something that must leave the training as it is; ``None`` where it failed.

        Returns the proof, and the sampled sums of the parameters that ran.
        """
        proved: tuple[Untouched, list[int]] | None = None
        if self._stopped:
            return proved
        sampled = self._checked % THOROUGH != 0
        self._checked += 1
        with self.failures.contained(f"replaying the probes at step {step}"):
            try:
                with random_state_kept(self._guard.model):
                    reshard(self._guard.model)
                    before = self._reads(sampled)
                    with quiet_forward(self._guard):
                        replay()
                moved = tuple(
                    # Other threads draw from the global generators, which are put back.
                    name
                    for name in before.differs_from(self._reads(sampled))
                    if name != "random"
                )
            except CannotPutBackError as error:
                moved = (str(error),)
            if moved:
                self._stopped = True
                self.failures.report(
                    f"a replay changed {', '.join(moved)}, which cannot be put back. Nothing more "
                    "is recorded, so that training is not disturbed again. Say what to run "
                    "instead of the model's step: AttentionMonitor(replay=...)",
                    doing=f"replaying the probes at step {step}",
                )
            else:
                put_back = tuple(sorted(self._guard.moved)[:64])
                proved = Untouched(checked=before.digest, put_back=put_back), before.weights
        return proved

    def _measured(self, observation: Observation) -> dict[str, float]:
        """Mute every head of the probes; return the numbers of the step."""
        meter, scalars = self._meter, dict[str, float]()
        if meter is None:
            return scalars
        with self.failures.contained("measuring the importance of heads"):
            found = meter.measure()
            observation.later.append(partial(meter.fill, found, observation.metrics))
            scalars = {n: value for n, value in found.scalars.items() if math.isfinite(value)}
        return scalars

    def write(self, scalars: Mapping[str, float], *, trained: Sequence[list[int]] = ()) -> None:
        """Write and report what was observed, in the background; nothing if nothing was.

        Args:
            scalars: Numbers of the whole step, such as ``val_loss``.
            trained: The sampled sums of the parameters before the validation and after it: if any
                are not what they were in the replay, the validation had other weights.
        """
        seen, self._pending = self._pending, None
        if seen is None:
            return
        if self.options.importance == "best" and not self._always and self._is_lowest(scalars):
            self._measure_if_unmoved(seen)
        if self._handover is None:
            return
        observation = seen.observation
        record = StepRecord(
            step=seen.step,
            epoch=seen.epoch,
            attention=observation.attention,
            metrics=observation.metrics,
            vectors=observation.vectors,
            outputs=observation.outputs,
            windows=observation.windows,
            thumbnails=observation.thumbnails,
            classes=observation.classes,
            watched=next(iter(observation.watched), ""),
            scalars={**scalars, **seen.measured},
            untouched=replace(seen.proof, lent=any(each != seen.weights for each in trained)),
        )
        self._written = seen.epoch, dict(scalars), seen.weights
        self._handover.give(observation, record)

    def finish(self) -> None:
        """Measure the importance of heads at the last recorded step, if that was asked for."""
        if self.options.importance != "last" or self._always or self.last_step is None:
            return
        if self._written is None:
            return
        epoch, scalars, weights = self._written
        if sums(self._guard.model.parameters(), sampled=True) != weights:
            self._say_moved()
            return
        self.observe(step=self.last_step, epoch=epoch, importance=True)  # replaces the step
        self.write(scalars)
        self._written = None

    def _is_lowest(self, scalars: Mapping[str, float]) -> bool:
        name, highest = watched((scalars,), self._watched)
        if name is None:
            return False
        value = -scalars[name] if highest else scalars[name]
        if not value < self._lowest:
            return False
        self._lowest = value
        return True

    def _measure_if_unmoved(self, seen: _Seen) -> None:
        if sums(self._guard.model.parameters(), sampled=True) != seen.weights:
            self._say_moved()
            return
        self._untouched(lambda: seen.measured.update(self._measured(seen.observation)), seen.step)

    def _say_moved(self) -> None:
        self.failures.report(
            "the model has other weights than those that were recorded last, so the importance of "
            'its heads was not measured. importance=1 measures it at every recorded step, "best" '
            "at each that has the lowest validation loss so far",
            doing="measuring the importance of heads",
        )

    @property
    def identifier(self) -> str:
        """Which recording this is; empty as long as nothing is on disk."""
        return "" if self._handover is None else self._handover.session

    def deliver(self) -> None:
        """Hand the numbers of finished steps to the loggers, in the caller's thread."""
        self._loggers.deliver()

    def close(self) -> None:
        """Wait for everything to be written, if the disk answers."""
        if self._handover is not None:
            self._handover.close()
        self.deliver()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a replay showed, until it is written."""

    observation: Observation
    step: int
    epoch: int
    proof: Untouched
    weights: list[int]
    measured: dict[str, float]
