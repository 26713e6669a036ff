"""The Lightning callback: when to record, where to write, and how not to be noticed."""

from __future__ import annotations

import sys
from typing import Any, Literal

from torch import nn

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.keywords import spelled_out
from attn_monitor.monitor.alerts import OnSignal
from attn_monitor.monitor.audit.intent import MaskRule
from attn_monitor.monitor.batches import DescribeBatch
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.images import ImagesOf
from attn_monitor.monitor.labels import Features, TitlesOf, ValuesOf
from attn_monitor.monitor.options import ImportanceAt, MonitorOptions, ReplayBatch
from attn_monitor.monitor.own import Probes, Tokenizer
from attn_monitor.monitor.probes import own_probes
from attn_monitor.monitor.schedule import Schedule
from attn_monitor.monitor.tokens import TokenSource
from attn_monitor.monitor.trainer import (
    Trainer,
    check_writable,
    is_last_validation_batch,
    phase_of,
    run_directory,
)
from attn_monitor.monitor.training import TrainerRecording

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")  # one library under two names

if not any(name in sys.modules for name in _PACKAGES):
    try:
        import lightning.pytorch as pl
    except ImportError:
        import pytorch_lightning as pl  # type: ignore[no-redef]
else:
    pl = next(sys.modules[name] for name in _PACKAGES if name in sys.modules)


class AttentionMonitor(pl.Callback):
    """Record what every attention head does on a few fixed sentences, at every validation.

    ``Trainer(callbacks=[AttentionMonitor(tokens=tokenizer)])`` is the whole integration. Sentences
    are chosen once, with a seed, from the batches that the trainer delivers anyway, validation and
    training; of no loader anything is read for them. They are replayed in evaluation mode through
    the modules that ``validation_step`` calls, or through the step itself. Same seed, with and
    without the monitor: bit-identical losses and weights. ``trainer.test`` and
    ``trainer.validate`` are recorded as runs of their own, ``<run>/test`` and ``<run>/validate``.

    Args:
        every_n_epochs: Record at the validations of every n-th epoch; of every epoch if neither
            this nor ``every_n_steps`` is given.
        every_n_steps: Record after every n-th optimizer step instead.
        probes: Sentences from the validation loader; 16 by default. Or a list of your own, 1024 at
            most: texts, which ``forward`` reads, or batches as ``validation_step`` gets them. What
            the options below ask for is drawn as ever.
        train_probes: Sentences from the training loader, replayed in evaluation mode: what the
            model does on sentences it learns from; 16 by default, 0 for none.
        lens_sentences: Further validation sentences whose queries and keys are kept for
            HeadLens; 48 by default, 0 for none.
        signal_sentences: How many training and how many validation sentences the overfitting
            signals compare, those above counted in; 64 by default. Of those drawn in addition only
            the model's output is recorded. 0 compares probes alone, and tells less.
        tokens: Turns ids into strings: a Hugging Face or ``tokenizers`` tokenizer, a callable
            from a list of ids to a list of strings, or ``None`` to show the ids.
        tokenizer: From a list of texts in ``probes`` to what ``forward`` takes, tensors with a row
            per text; by default ``tokens``, where that is a Hugging Face tokenizer.
        describe_batch: Returns the token ids ``[sentence, token]`` of a batch without ``input_ids``
            that is no tuple starting with ids; or a (source, target) pair of these.
        features: Names of what attention compares, where that is no text: ``["age", "income"]`` for
            the columns of a table, for time steps, for series; or by part and side,
            ``{"encoder": [...], "cross.query": [...], "cross.key": [...]}``.
        titles: ``(batch) -> [string]``: what to call each sentence: a series and a date, a user.
        values: ``(batch) -> [sentence, name]``: what stands at each name; by default what the
            batch itself holds there, where it is a single number.
        images: Returns what a vision model reads of a batch, ``[sentence, (channel,) height,
            width]``: each token that is not special is shown as its square patch of it.
        replay: ``(module, batch) -> anything``; what to run instead of ``validation_step``, where
            that generates text, say: one pass over the sentence is what can be read.
        budget_mb: Megabytes per recorded step, uncompressed, 64 by default. Decides how many probes
            keep their maps, which keep coarse maps with or without a window of exact ones, and
            which metrics only; metrics are always computed on all of them.
        run_budget_mb: Megabytes per run, 2048 by default. Beyond it, maps of older steps are
            thinned on a logarithmic schedule; metrics never.
        topology: Add the topology of the attention graph to every head's metrics: components,
            loops, their life and midlife. 0.3 ms per head and probe, beside; off by default.
        importance: How much each head matters, exactly: it is muted and the probes are run again,
            a forward pass per head. ``"last"``: at the last recorded step; ``"best"``: at each
            that has the lowest validation loss so far; ``n``: at every n-th. Measured is the rise
            of the loss that the step logs or returns, else how far the output moves, and the
            same for several of the least important heads at once; ``None``, the default: not.
        audit: Before the first optimizer step, try on a few sentences whether any output depends on
            a token that it must not read, as ``audit_masks`` does: seconds; on by default.
        mask: What is meant, where neither the batch nor the model says it: ``"causal"``,
            ``"prefix"``, ``"full"``, a window's number of tokens, or a function.
        watch: Read the training batch's own forward pass every n optimizer steps: each head's
            largest score, entropy, lengths of queries and keys, with a forecast; off by default.
        log_images: One picture per part in TensorBoard's Images tab, and in the loggers of
            ``docs/places.md``, at most a tenth of the time; on by default.
        log_scalars: A dozen numbers at most in TensorBoard's Scalars tab, below what you log
            yourself, and in every other logger: the signals, and what heads do on average.
            ``"all"``: every metric of every layer. ``False``: none but the number of errors.
        log_page_every: Give the page of ``attn-monitor export``, 10 MB at most, to every logger
            that takes files, at every n-th recorded step and the last; ``None``, the default: not.
        on_signal: Called with a :class:`attn_monitor.signals.Signal` at the step at which
            it fires, once each, from the recording thread; ``signal.kind == "flag"`` says that
            memorisation is likely, ``"leak"`` that the mask does not hold, ``"growth"`` that
            scores run away. To stop then, set ``trainer.should_stop = True`` in it.
        seed: Draws the probes; 0 by default.

    Raises:
        ConfigurationError: An option that cannot work; or, in ``setup``, a log directory that
            cannot be written.
    """

    @spelled_out()
    def __init__(
        self,
        *,
        every_n_epochs: int | None = None,
        every_n_steps: int | None = None,
        probes: Probes = 16,
        train_probes: int = 16,
        lens_sentences: int = 48,
        signal_sentences: int = 64,
        tokens: TokenSource = None,
        tokenizer: Tokenizer | None = None,
        describe_batch: DescribeBatch | None = None,
        features: Features = None,
        titles: TitlesOf | None = None,
        values: ValuesOf | None = None,
        images: ImagesOf | None = None,
        replay: ReplayBatch | None = None,
        budget_mb: float = 64.0,
        run_budget_mb: float = 2048.0,
        topology: bool = False,
        importance: ImportanceAt | None = None,
        audit: bool = True,
        mask: MaskRule = None,
        watch: int | None = None,
        log_images: bool = True,
        log_scalars: bool | Literal["all"] = True,
        log_page_every: int | None = None,
        on_signal: OnSignal | None = None,
        seed: int = 0,
    ) -> None:
        _belong_to_every_lightning()
        super().__init__()
        self.schedule = Schedule(every_n_epochs=every_n_epochs, every_n_steps=every_n_steps)
        self.options = MonitorOptions(
            probes=probes,
            train_probes=train_probes,
            lens_sentences=lens_sentences,
            signal_sentences=signal_sentences,
            tokens=tokens,
            tokenizer=tokenizer,
            describe_batch=describe_batch,
            features=features,
            titles=titles,
            values=values,
            images=images,
            replay=replay,
            budget_mb=budget_mb,
            run_budget_mb=run_budget_mb,
            topology=topology,
            importance=importance,
            audit=audit,
            mask=mask,
            watch=watch,
            log_images=log_images,
            log_scalars=log_scalars,
            log_page_every=log_page_every,
            on_signal=on_signal,
            seed=seed,
        )
        self.failures = Failures()
        self._run_dir: str | None = None
        self._recording: TrainerRecording | None = None
        self._state: dict[str, Any] = {}
        self._goes_on = False

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What `isinstance` asks for: a Lightning may have been imported since this was made."""
        own = type(self)
        # Only another type than that of the object is looked at again.
        return type(own.__name__, (own,), {}) if _belong_to_every_lightning() else own

    def setup(self, trainer: Trainer, pl_module: nn.Module, stage: str) -> None:  # noqa: ARG002
        """Refuse what cannot work, before anything is trained."""
        self._run_dir = None
        if stage not in {"fit", "validate", "test"}:
            return
        own_probes(self.options)  # refused here, before anything is trained
        if stage == "fit" and not trainer.enable_validation:
            self._without_validation()
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

    def _without_validation(self) -> None:
        if not self.options.train_probes:
            raise ConfigurationError(
                "there is nothing to record: the model is trained without validation and "
                "train_probes is 0. Pass val_dataloaders to Trainer.fit, or leave train_probes out"
            )
        self.failures.report(
            "the model is trained without validation, so that sentences come from the training "
            "batches alone. To compare with others, pass val_dataloaders to Trainer.fit, define "
            "validation_step, and leave limit_val_batches above 0. Without validations to record "
            "at, every_n_epochs counts the epochs of training",
            doing="looking for a validation",
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the sentences that are recorded, so that a resumed training has the same."""
        if self._recording is not None and self._recording.phase == "fit":
            with self.failures.contained("adding the probes to a checkpoint"):
                self._state = self._recording.state()
        return self._state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the sentences of the training that is resumed."""
        self._state, self._goes_on = state_dict, True

    def on_fit_start(self, trainer: Trainer, pl_module: nn.Module) -> None:
        """Prepare to record a training."""
        self._prepare(trainer, pl_module, "fit")

    def on_validation_start(self, trainer: Trainer, pl_module: nn.Module) -> None:
        """Prepare a recording of its own when validation is all that runs."""
        if phase_of(trainer) == "validate":
            self._prepare(trainer, pl_module, "validate")
        if self._recording is not None:
            self._recording.validation_begins()

    def on_test_start(self, trainer: Trainer, pl_module: nn.Module) -> None:
        """Prepare a recording of its own for testing time."""
        self._prepare(trainer, pl_module, "test")

    def on_validation_batch_start(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: nn.Module,  # noqa: ARG002
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a batch of the first loader, while sentences are still wanted."""
        if self._recording is not None and dataloader_idx == 0:
            self._recording.batch_begins("val", batch, batch_idx)

    def on_validation_batch_end(  # noqa: PLR0917  # Lightning's signature
        self,
        trainer: Trainer,
        pl_module: nn.Module,  # noqa: ARG002
        outputs: object,  # noqa: ARG002
        batch: object,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Replay at the end of a validation, while the weights are those that were validated."""
        if self._recording is not None:
            self._recording.delivery.ended()
            if is_last_validation_batch(trainer, phase_of(trainer)):
                self._recording.validated()

    def on_validation_end(self, trainer: Trainer, pl_module: nn.Module) -> None:  # noqa: ARG002
        """Write after a validation, when its metrics are known."""
        if self._recording is not None:
            self._recording.validation_ended()

    on_test_batch_start = on_validation_batch_start
    on_test_batch_end = on_validation_batch_end
    on_test_end = on_validation_end

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: nn.Module, batch: object, batch_idx: int
    ) -> None:
        """Keep a batch, while sentences are still wanted."""
        if self._recording is None:
            return
        self._recording.batch_begins("train", batch, batch_idx)
        if not getattr(pl_module, "automatic_optimization", True) and trainer.global_step == 0:
            self._recording.first_step()  # its optimizers may never be seen
        self._recording.forward_begins()

    def on_before_backward(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: nn.Module,  # noqa: ARG002
        loss: object,  # noqa: ARG002
    ) -> None:
        """Note that the forward pass is over."""
        if self._recording is not None:
            self._recording.forward_ended()

    def on_before_optimizer_step(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: nn.Module,  # noqa: ARG002
        optimizer: object,  # noqa: ARG002
    ) -> None:
        """Record the model as it stands before its first step, whoever initialised it when."""
        if self._recording is not None:
            self._recording.first_step()

    def on_train_batch_end(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: nn.Module,  # noqa: ARG002
        outputs: object,  # noqa: ARG002
        batch: object,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Record every n optimizer steps, if that is the schedule."""
        if self._recording is not None:
            self._recording.batch_trained()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: nn.Module) -> None:  # noqa: ARG002
        """Record after an epoch, where there are no validations."""
        if self._recording is not None:
            self._recording.epoch_trained()

    def on_train_end(self, trainer: Trainer, pl_module: nn.Module) -> None:  # noqa: ARG002
        """Record the last validation, if it was not due."""
        if self._recording is not None:
            self._recording.training_ended()

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

    def _prepare(self, trainer: Trainer, pl_module: nn.Module, phase: str) -> None:
        goes_on = phase == "fit" and (self._goes_on or trainer.global_step > 0)
        self._end()
        with self.failures.contained("preparing to record"):
            self._recording = TrainerRecording(
                trainer=trainer,
                module=pl_module,
                phase=phase,
                options=self.options,
                schedule=self.schedule,
                failures=self.failures,
                run_dir=self._run_dir,
                say=_say,
                silent_logger=_silent_logger,
                monitor=self,
                resumed=self._state if goes_on else {},
            )

    def _end(self) -> None:
        if self._recording is not None:
            self.state_dict()
            self._recording.close()
            self._recording, self._goes_on = None, False


def _belong_to_every_lightning() -> bool:
    """Be a callback of each Lightning that is loaded, and return whether one is new."""
    before = AttentionMonitor.__bases__
    for name in _PACKAGES:
        base = getattr(sys.modules.get(name), "Callback", None)
        if isinstance(base, type) and not issubclass(AttentionMonitor, base):
            AttentionMonitor.__bases__ += (base,)
    return AttentionMonitor.__bases__ != before


def _say(text: str) -> None:
    for name in _PACKAGES:
        tell = getattr(sys.modules.get(f"{name}.utilities"), "rank_zero_info", None)
        if callable(tell):
            tell(text)
            return


def _silent_logger() -> object:
    found = (sys.modules.get(f"{name}.loggers.logger") for name in _PACKAGES)
    return next(module for module in found if module is not None).DummyLogger()
