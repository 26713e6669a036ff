"""One recording that follows a trainer: which sentences, when, and with whose weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from torch import nn

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.monitor.delivery import Delivery, first_of_several
from attn_monitor.monitor.failures import Failures, never_raises
from attn_monitor.monitor.fingerprint import Fingerprint, fingerprint, sums
from attn_monitor.monitor.growth_watch import Growth, compiled_so_far
from attn_monitor.monitor.guard import Guard, random_state_kept
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.place import Earlier
from attn_monitor.monitor.probes import ProbeBatch, Side
from attn_monitor.monitor.schedule import Schedule
from attn_monitor.monitor.session import Session
from attn_monitor.monitor.summaries import SummaryWriter
from attn_monitor.monitor.trainer import (
    Trainer,
    batches_seen,
    epochs_begun,
    feeds_of,
    numbers,
    replay_through,
    watched_by,
)
from attn_monitor.store import Proofs

_Value = TypeVar("_Value")
_HAIR: Final = 1e-6  # of an epoch
_hook = never_raises("following the training")


@dataclass(frozen=True, slots=True)
class _Skipped:
    """A validation that was not due, in case it turns out to be the last one."""

    step: int
    epochs: int
    scalars: Mapping[str, float]
    weights: list[int]


@dataclass(kw_only=True)
class TrainerRecording:
    """Records what one call of a trainer's ``fit``, ``validate`` or ``test`` shows.

    Attributes:
        trainer: The trainer.
        module: What it trains.
        phase: ``"fit"``, ``"validate"`` or ``"test"``.
        options: What the user set.
        schedule: When to record.
        failures: Where problems are reported.
        run_dir: The run's directory, ``None`` to write nothing.
        say: Tells the user something that is no problem.
        silent_logger: Makes a logger that keeps quiet.
        monitor: The callback, which is none of the model's business.
        resumed: What :meth:`state` returned in the training that goes on.
    """

    trainer: Trainer
    module: nn.Module
    phase: str
    options: MonitorOptions
    schedule: Schedule
    failures: Failures
    run_dir: str | None
    say: Callable[[str], object]
    silent_logger: Callable[[], object]
    monitor: object
    resumed: Mapping[str, Any] = field(default_factory=dict)
    delivery: Delivery = field(init=False)
    session: Session | None = field(init=False, default=None)
    _guard: Guard = field(init=False)
    _first_step_tried: bool = field(init=False, default=False)
    _observed: bool = field(init=False, default=False)
    _before: list[list[int]] = field(init=False, default_factory=list)  # weights, or not known
    _skipped: _Skipped | None = field(init=False, default=None)
    _validated_at: tuple[int, float] = field(init=False)  # steps and epochs
    _own_writer: SummaryWriter | None = field(init=False, default=None)
    _held: str = field(init=False, default="")
    _compiled: int = field(init=False, default_factory=compiled_so_far)
    _growth: Growth | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        training = self.phase == "fit"
        self.delivery = Delivery(self.options, self.failures, training=training)
        self.delivery.resume(list(self.resumed.get("probes", [])))
        trainer = self.trainer
        self._validated_at = trainer.global_step, float(trainer.current_epoch)
        callbacks = [c for c in getattr(trainer, "callbacks", ()) if c is not self.monitor]
        self._guard = Guard(
            self.module,
            others=(
                ("datamodule", getattr(trainer, "datamodule", None)),
                *((type(callback).__name__, callback) for callback in callbacks),
            ),
            skip=(trainer, self.monitor, self, trainer.loggers, *trainer.loggers),
            shallow=(("trainer", trainer),),
            feeds=lambda: feeds_of(trainer),
        )

    @property
    def validates(self) -> bool:
        """Whether there are validations to record at."""
        return self.phase != "fit" or self.trainer.enable_validation

    @_hook
    def batch_begins(self, side: Side, batch: object, number: int) -> None:
        """Take note of a batch that the step gets next."""
        self.delivery.ended()
        several = False
        if side == "train":
            batch, several = first_of_several(self.trainer.train_dataloader, batch)
        if not self.delivery.idle:
            with random_state_kept(self.module):
                self.delivery.begins(side, number, batch, None if several else self.module)

    @_hook
    def forward_begins(self) -> None:
        """The forward pass of a training batch is next."""
        if self._growth is not None:
            self._growth.begins(self.trainer.global_step)

    @_hook
    def forward_ended(self, *, certainly: bool = False) -> None:
        """The forward pass of a training batch is over.

        Args:
            certainly: So is the whole step.
        """
        if self._growth is not None:
            self._growth.ends(certainly=certainly)

    @_hook
    def first_step(self) -> None:
        """Record the weights that the first optimizer step starts from."""
        self.delivery.ended()
        if self._first_step_tried:
            return
        self._first_step_tried = True
        if self.session is None:
            self._ensure(final=not self.validates)
            self._record({}, epoch=self.trainer.current_epoch)
        audit = None if self.session is None else self.session.beside.audit()
        if audit is not None and audit.holds is not None:
            self.say(audit.sentence)

    @_hook
    def batch_trained(self) -> None:
        """Record after an optimizer step, if that is the schedule."""
        self.forward_ended(certainly=True)
        self.delivery.ended()
        if self.session is not None:
            self.session.deliver()
        if self.schedule.at_step(self.trainer.global_step):
            self._ensure(final=not self.validates)
            self._record(numbers(self.trainer.callback_metrics), epoch=self.trainer.current_epoch)

    @_hook
    def epoch_trained(self) -> None:
        """Record after an epoch, where there are no validations."""
        epochs = self.trainer.current_epoch + 1
        if not self.validates and self._due(epochs):
            self._ensure(final=True)
            self._record(numbers(self.trainer.callback_metrics), epoch=epochs)

    @_hook
    def validation_begins(self) -> None:
        """Wait for the end of a validation; who lends it weights may do so from here on."""
        self._observed = False
        self._before = [] if self.trainer.sanity_checking else [self._weights()]

    @_hook
    def validated(self) -> None:
        """Replay with the weights that were validated, while they are in place."""
        self.delivery.ended()
        if self.trainer.sanity_checking:
            return
        self._observed = True
        self._skipped = None
        epochs = self._epochs()
        due = self.phase != "fit" or self._due(epochs, last=self._is_last(epochs))
        if due or self.session is None:
            self._ensure(final=True)
        session, step = self.session, self.trainer.global_step
        if session is None or session.last_step == step:
            return
        if due:
            session.observe(step=step, epoch=epochs)
        elif self.schedule.every_n_steps is None:
            weights = self._weights()
            self._skipped = _Skipped(step, epochs, {}, weights)

    @_hook
    def validation_ended(self) -> None:
        """Write what the validation showed, now that its metrics are final."""
        if self.trainer.sanity_checking:
            return
        if not self._observed:  # the trainer did not know which batch was the last
            self.validated()
        scalars = numbers(self.trainer.callback_metrics)
        if self.session is not None:
            self.session.write(scalars, trained=[*self._before, self._weights()])
        if self._skipped is not None:
            found = self._skipped
            self._skipped = _Skipped(found.step, found.epochs, scalars, found.weights)

    @_hook
    def training_ended(self) -> None:
        """Record the last validation, if it was not due and nothing was trained since."""
        found, session = self._skipped, self.session
        if session is None:
            return
        if found is not None and session.last_step != found.step:
            same = found.weights == self._weights()
            if found.step == self.trainer.global_step and same:
                session.observe(step=found.step, epoch=found.epochs)
                session.write(found.scalars)
        elif self.options.importance == "last":  # what was trained since the last recorded step
            self._record(numbers(self.trainer.callback_metrics), epoch=self._epochs())
        session.finish()
        if steps := len(self._guard.proved):
            moved = tuple(sorted(self._guard.moved))
            proofs = Proofs(steps=steps, of=steps, put_back=moved, lent=0)
            self.say(f"AttentionMonitor: {'; '.join(proofs.sentences)}")

    def state(self) -> dict[str, Any]:
        """Return what a training needs to go on with the same sentences, for its checkpoint."""
        session = "" if self.session is None else self.session.identifier
        return {"session": session, "probes": self.delivery.state()}

    @_hook
    def close(self) -> None:
        """Wait for everything to be written."""
        self.forward_ended(certainly=True)
        self.delivery.ended()
        if self.session is not None:
            self.session.close()
            self.session = None
        if self._own_writer is not None:
            with self.failures.contained("closing the event file"):
                self._own_writer.flush()
            self._own_writer = None

    def _due(self, epochs: int, *, last: bool = False) -> bool:
        trainer = self.trainer
        ending = last or trainer.should_stop or 0 <= trainer.max_steps <= trainer.global_step
        return self.schedule.at_validation(epochs, of=trainer.max_epochs, ending=ending)

    def _is_last(self, epochs: int) -> bool:
        """Return whether the training ends before another validation as far away as the last."""
        trainer, before = self.trainer, self._validated_at
        steps, passed = trainer.global_step, max(float(epochs), epochs_begun(trainer))
        self._validated_at = steps, passed
        most = math.inf if trainer.max_epochs in {None, -1} else trainer.max_epochs
        too_late = 2 * passed - before[1] > most + _HAIR
        return too_late or 0 <= trainer.max_steps < 2 * steps - before[0]

    def _epochs(self) -> int:
        ended = int(self.trainer.is_last_batch) if self.phase == "fit" else 0
        return self.trainer.current_epoch + ended

    def _record(self, scalars: Mapping[str, float], *, epoch: int) -> None:
        session = self.session
        if session is not None and session.last_step != self.trainer.global_step:
            session.record(step=self.trainer.global_step, epoch=epoch, scalars=scalars)

    def _ensure(self, *, final: bool) -> None:
        """Begin to record, or go on with the sentences that have come since.

        Args:
            final: Whether to say what stands in the way; else the next validation is waited for.
        """
        with random_state_kept(self.module):
            self._begin_or_grow(final=final)

    def _begin_or_grow(self, *, final: bool) -> None:
        pool = self.delivery.pool
        grows = self.session is not None and pool.growing and not self.session.widened
        if self._agreed(self.session is not None and not grows):
            return
        try:
            probes = self._agreed(pool.probes())
            if probes:
                self._begin(probes)
            elif final:
                raise ConfigurationError(
                    "no sentence could be taken from the batches that were delivered; see the "
                    "warnings before this one"
                )
        except Exception as error:  # noqa: BLE001  # whatever it is, the training run goes on
            self._held = f"{type(error).__name__}: {error}"
            if final:
                self.failures.report(self._held, doing="preparing the probes")

    def _begin(self, probes: tuple[ProbeBatch, ...]) -> None:
        before = self.session
        trainer, fit = self.trainer, self.phase == "fit"
        step = trainer.global_step
        run_dir = self.run_dir if before is None else before.run_dir
        replay = replay_through(
            trainer, self.module, self.phase, self.options.replay, self.silent_logger
        )
        self.session = Session(
            model=self.module,
            batches=probes,
            replay=replay,
            heard=replay.heard,
            run_dir=run_dir,
            writer=None if run_dir is None else self._writer,
            loggers=[x for x in trainer.loggers if _board(x) is None],
            options=self.options,
            failures=self.failures,
            phase=self.phase,
            resume_step=step if fit else None,
            guard=self._guard,
            reads=self._fingerprint,
            beside=Earlier(self.phase, step, str(self.resumed.get("session", "")))
            if before is None
            else None,
            before=before,
            watched_metric=watched_by(trainer),
        )
        if fit:
            self._growth = self.session.beside.growth(self._compiled)
        if before is None and self.session.run_dir is not None:
            self.say(self._success(self.session))

    def _success(self, session: Session) -> str:
        counts = self.delivery.pool.counts()
        named = {"val": "test" if self.phase == "test" else "validation", "train": "training"}
        have = [f"{had} {named[side]}" for side, (had, _) in counts.items() if had]
        late = [
            f"{total - had} more {named[side]}"
            for side, (had, total) in counts.items()
            if had < total and (side == "train" or self.validates)
        ]
        parts = ", ".join(
            f"{part.name} of {len(part.layers)} layers x {part.heads} heads"
            for part in session.layout.parts
        )
        more = f" ({' and '.join(late)} sentences join as they come by)" if late else ""
        begins = (
            f"; recording begins at step {self.trainer.global_step}, because before it the model's "
            f"step could not be replayed ({self._held})"
            if self._held
            else ""
        )
        return (
            f"AttentionMonitor records {' and '.join(have)} sentences{more}, {parts}, in "
            f"{session.run_dir}; look at it with: tensorboard --logdir {session.run_dir}{begins}"
        )

    def _fingerprint(self, sampled: bool) -> Fingerprint:
        return fingerprint(
            self.module,
            optimizers=getattr(self.trainer, "optimizers", ()),
            batches=batches_seen(self.trainer),
            sampled=sampled,
        )

    def _weights(self) -> list[int]:
        return sums(self.module.parameters(), sampled=True)

    def _writer(self, directory: str) -> SummaryWriter:
        if self.phase == "fit" and directory == self.run_dir:
            for logger in self.trainer.loggers:
                if (board := _board(logger)) is not None:
                    # Never a second writer in one directory: TensorBoard would stop reading one.
                    return board
        from torch.utils.tensorboard import SummaryWriter as TorchSummaryWriter  # noqa: PLC0415

        if self._own_writer is None:
            self._own_writer = TorchSummaryWriter(directory)
        return self._own_writer

    def _agreed(self, value: _Value) -> _Value:
        """Return the first process's value, where several train together: all do the same."""
        if getattr(self.trainer, "world_size", 1) == 1:
            return value
        shared: _Value = self.trainer.strategy.broadcast(value)
        return shared


def _board(logger: object) -> SummaryWriter | None:
    """Return what a logger of TensorBoard writes with."""
    experiment = getattr(logger, "experiment", None)
    return experiment if isinstance(experiment, SummaryWriter) else None
