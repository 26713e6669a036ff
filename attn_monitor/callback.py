"""The Lightning callback: when to record, where to write, and how not to be noticed."""

from __future__ import annotations

from typing import Literal

from torch import nn

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.keywords import spelled_out
from attn_monitor.monitor.alerts import OnSignal
from attn_monitor.monitor.batches import DescribeBatch
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.images import ImagesOf
from attn_monitor.monitor.options import MonitorOptions, ReplayBatch
from attn_monitor.monitor.probes import draw_all
from attn_monitor.monitor.schedule import Schedule
from attn_monitor.monitor.session import Session
from attn_monitor.monitor.summaries import SummaryWriter
from attn_monitor.monitor.tokens import TokenSource
from attn_monitor.monitor.trainer import (
    Trainer,
    check_writable,
    numbers,
    phase_of,
    replay_through,
    run_directory,
)

try:
    import lightning.pytorch as pl
    from lightning.pytorch.loggers.logger import DummyLogger
except ImportError:  # the same library under its older name
    import pytorch_lightning as pl  # type: ignore[no-redef]
    from pytorch_lightning.loggers.logger import DummyLogger  # type: ignore[assignment]


class AttentionMonitor(pl.Callback):
    """Record what every attention head does on a few fixed sentences, at every validation.

    ``Trainer(callbacks=[AttentionMonitor(tokens=tokenizer)])`` is the whole integration. Sentences
    are drawn once, with a seed, from the validation and the training loader, and replayed through
    ``validation_step`` in evaluation mode. Same seed, with and without the monitor: bit-identical
    losses and weights. ``trainer.test`` and ``trainer.validate`` are recorded as runs of their
    own, ``<run>/test`` and ``<run>/validate``.

    Args:
        every_n_epochs: Record at the validations of every n-th epoch; of every epoch if neither
            this nor ``every_n_steps`` is given.
        every_n_steps: Record after every n-th optimizer step instead.
        probes: Sentences from the validation loader; 16 by default.
        train_probes: Sentences from the training loader, replayed in evaluation mode, so that
            what the model does on sentences it learns from can be compared; 16 by default, 0 for
            none.
        lens_sentences: Further validation sentences whose queries and keys are kept for
            HeadLens; 48 by default, 0 for none.
        signal_sentences: How many training and how many validation sentences the overfitting
            signals compare, probes and lens sentences counted in; 64 by default. Only the
            model's output is recorded of those drawn in addition: a forward pass each, a few
            bytes. 0 compares probes alone, and tells less.
        tokens: Turns ids into strings: a Hugging Face or ``tokenizers`` tokenizer, a callable
            from a list of ids to a list of strings, or ``None`` to show the ids.
        describe_batch: Returns the token ids ``[sentence, token]`` of a batch that is neither a
            mapping with ``input_ids`` nor a tuple that starts with token ids; or a (source,
            target) pair of these.
        images: Returns what a vision model reads of a batch, ``[sentence, (channel,) height,
            width]``: each token that is not special is shown as its square patch of it.
        replay: ``(module, batch) -> anything``; what to run instead of ``validation_step``, where
            that generates text, say: one pass over the sentence is what can be read.
        budget_mb: Megabytes per recorded step, uncompressed, 64 by default. Decides how many probes
            keep their maps, which keep coarse maps with or without a window of exact ones, and
            which metrics only; metrics are always computed on all of them.
        run_budget_mb: Megabytes per run, 2048 by default. Beyond it, maps of older steps are
            thinned on a logarithmic schedule; metrics never.
        topology: Add the topology of the attention graph to the metrics of every head:
            components, loops, their life and midlife. About 0.3 ms per head and probe, in the
            background; off by default.
        log_images: One picture per part in TensorBoard's Images tab, and in the loggers that
            ``docs/places.md`` names, at most a tenth of the time; on by default.
        log_scalars: A dozen numbers at most in TensorBoard's Scalars tab, below what you log
            yourself, and in every other logger: the signals, and what heads do on average.
            ``"all"``: every metric of every layer. ``False``: none but the number of errors.
        on_signal: Called with a :class:`attn_monitor.signals.Signal` at the step at which
            it fires, once each, from the recording thread; ``signal.kind == "flag"`` says that
            memorisation is likely. To stop then, set ``trainer.should_stop = True`` in it.
        seed: Draws the probes; 0 by default.

    Raises:
        ConfigurationError: An option that cannot work; or, in ``setup``, a trainer without
            validation or a log directory that cannot be written.
    """

    @spelled_out()
    def __init__(
        self,
        *,
        every_n_epochs: int | None = None,
        every_n_steps: int | None = None,
        probes: int = 16,
        train_probes: int = 16,
        lens_sentences: int = 48,
        signal_sentences: int = 64,
        tokens: TokenSource = None,
        describe_batch: DescribeBatch | None = None,
        images: ImagesOf | None = None,
        replay: ReplayBatch | None = None,
        budget_mb: float = 64.0,
        run_budget_mb: float = 2048.0,
        topology: bool = False,
        log_images: bool = True,
        log_scalars: bool | Literal["all"] = True,
        on_signal: OnSignal | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.schedule = Schedule(every_n_epochs=every_n_epochs, every_n_steps=every_n_steps)
        self.options = MonitorOptions(
            probes=probes,
            train_probes=train_probes,
            lens_sentences=lens_sentences,
            signal_sentences=signal_sentences,
            tokens=tokens,
            describe_batch=describe_batch,
            images=images,
            replay=replay,
            budget_mb=budget_mb,
            run_budget_mb=run_budget_mb,
            topology=topology,
            log_images=log_images,
            log_scalars=log_scalars,
            on_signal=on_signal,
            seed=seed,
        )
        self.failures = Failures()
        self._run_dir: str | None = None
        self._session: Session | None = None
        self._own_writer: SummaryWriter | None = None

    def setup(self, trainer: Trainer, pl_module: nn.Module, stage: str) -> None:
        """Refuse what cannot work, before anything is trained."""
        if stage == "fit" and not trainer.enable_validation:
            raise ConfigurationError(
                "AttentionMonitor draws its probe sentences from the validation loader, and "
                f"{type(pl_module).__name__} is trained without validation. Pass val_dataloaders "
                "to Trainer.fit, define validation_step, and leave limit_val_batches above 0"
            )
        others = getattr(trainer, "callbacks", ())  # set by a part of the trainer that is not typed
        if sum(isinstance(callback, AttentionMonitor) for callback in others) > 1:
            raise ConfigurationError(
                "this Trainer has more than one AttentionMonitor, and all of them would write to "
                "the same recording. Keep one; its options say how many sentences it records"
            )
        # A trial run leaves nothing behind; of processes that train together the first one writes.
        if trainer.is_global_zero and not getattr(trainer, "fast_dev_run", False):
            self._run_dir = run_directory(trainer, phase_of(trainer))
            check_writable(
                self._run_dir, remedy="Trainer(default_root_dir=...) or the logger's save_dir"
            )

    def on_train_start(self, trainer: Trainer, pl_module: nn.Module) -> None:
        """Draw the probes and record the model as it stands before its first step."""
        self._begin(trainer, pl_module, "fit")
        self._record(trainer, trainer.current_epoch)

    def on_validation_end(self, trainer: Trainer, pl_module: nn.Module) -> None:  # noqa: ARG002
        """Record after a validation, when its metrics are known."""
        if trainer.sanity_checking or phase_of(trainer) == "test":
            return
        if phase_of(trainer) == "validate":
            self._record(trainer, trainer.current_epoch)
            return
        epochs = trainer.current_epoch + int(trainer.is_last_batch)
        if self.schedule.at_validation(epochs, of=trainer.max_epochs):
            self._record(trainer, epochs)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: nn.Module,  # noqa: ARG002
        outputs: object,  # noqa: ARG002
        batch: object,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Record every n optimizer steps, if that is the schedule."""
        if self._session is not None:
            self._session.deliver()
        if self.schedule.at_step(trainer.global_step):
            self._record(trainer, trainer.current_epoch)

    def on_validation_start(self, trainer: Trainer, pl_module: nn.Module) -> None:
        """Begin a recording of its own when validation is all that runs."""
        if phase_of(trainer) == "validate":
            self._begin(trainer, pl_module, "validate")

    def on_test_start(self, trainer: Trainer, pl_module: nn.Module) -> None:
        """Begin a recording of its own for testing time."""
        self._begin(trainer, pl_module, "test")

    def on_test_end(self, trainer: Trainer, pl_module: nn.Module) -> None:  # noqa: ARG002
        """Record the tested model."""
        self._record(trainer, trainer.current_epoch)

    def teardown(self, trainer: Trainer, pl_module: nn.Module, stage: str) -> None:  # noqa: ARG002
        """Wait for everything to be written."""
        self._end()

    def on_exception(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: nn.Module,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Keep what was recorded when training fails or is interrupted."""
        self._end()

    def _begin(self, trainer: Trainer, pl_module: nn.Module, phase: str) -> None:
        self._end()
        with self.failures.contained("preparing the probes"):
            testing = phase == "test"
            batches = draw_all(
                self.options,
                validation=trainer.test_dataloaders if testing else trainer.val_dataloaders,
                training=trainer.train_dataloader if phase == "fit" else None,
            )
            run_dir = self._run_dir
            self._session = Session(
                model=pl_module,
                batches=batches,
                replay=replay_through(trainer, pl_module, phase, self.options.replay, DummyLogger),
                run_dir=run_dir,
                writer=None if run_dir is None else self._writer(trainer, run_dir, phase),
                loggers=[x for x in trainer.loggers if _board(x) is None],
                options=self.options,
                failures=self.failures,
                phase=phase,
                resume_step=trainer.global_step if phase == "fit" else None,
            )

    def _record(self, trainer: Trainer, epoch: int) -> None:
        session = self._session
        if session is not None and session.last_step != trainer.global_step:
            session.record(
                step=trainer.global_step, epoch=epoch, scalars=numbers(trainer.callback_metrics)
            )

    def _writer(self, trainer: Trainer, run_dir: str, phase: str) -> SummaryWriter:
        if phase == "fit":
            for logger in trainer.loggers:
                if (board := _board(logger)) is not None:
                    # Never a second writer in one directory: TensorBoard would stop reading one.
                    return board
        from torch.utils.tensorboard import SummaryWriter as TorchSummaryWriter  # noqa: PLC0415

        self._own_writer = TorchSummaryWriter(run_dir)
        return self._own_writer

    def _end(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
        if self._own_writer is not None:
            with self.failures.contained("closing the event file"):
                self._own_writer.flush()
            self._own_writer = None


def _board(logger: object) -> SummaryWriter | None:
    """Return what a logger of TensorBoard writes with."""
    experiment = getattr(logger, "experiment", None)
    return experiment if isinstance(experiment, SummaryWriter) else None
