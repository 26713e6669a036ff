"""``AttentionCallback`` for ``transformers.Trainer``: when to record, where, from which data."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import TensorBoardCallback

from attn_monitor.core.keywords import spelled_out
from attn_monitor.integrations.forward import TrainingForward
from attn_monitor.integrations.report_to import reported_to
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.schedule import Schedule
from attn_monitor.monitor.tokens import HuggingFaceTokenizer
from attn_monitor.monitor.trainer import numbers
from attn_monitor.recorder import AttentionRecorder

_NOT_QUALITY = ("runtime", "per_second", "epoch", "memory", "flos")  # of the machine, or the clock


class AttentionCallback(TrainerCallback):
    """Record what every attention head does on a few fixed sentences, at every evaluation.

    ``Trainer(..., callbacks=[AttentionCallback()])`` is the whole integration: sentences come from
    the Trainer's ``eval_dataset`` and ``train_dataset``, strings from its ``processing_class``, and
    the recording lies beside its event file. The first recorded step is the model before training;
    without an ``eval_dataset`` it is the first evaluation of one. Same seed, with and without the
    callback: bit-identical losses and weights, with gradient accumulation and after a resume too.
    Of processes that train together the first one records; a model that is spread over them (FSDP,
    DeepSpeed) is not recorded.

    Args:
        every_n_epochs: Record at the evaluations of every n-th epoch; at the end of epochs where
            the Trainer has ``eval_strategy="no"``.
        every_n_steps: Record after every n-th optimizer step instead.
        log_dir: Where the recording goes. By default the directory of the Trainer's event file,
            or without one ``output_dir``'s ``runs/attention``.
        probes: This and the other options are described in :class:`attn_monitor.AttentionMonitor`;
            ``tokens`` is the Trainer's ``processing_class`` where that is a tokenizer.

    Raises:
        ConfigurationError: An option that cannot work. What goes wrong later is said once, and
            training goes on.
    """

    @spelled_out(MonitorOptions)
    def __init__(
        self,
        *,
        every_n_epochs: int | None = None,
        every_n_steps: int | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        **options: Any,  # the fields of MonitorOptions
    ) -> None:
        self.schedule = Schedule(every_n_epochs=every_n_epochs, every_n_steps=every_n_steps)
        self._watch = MonitorOptions(**options).watch  # refused here, not after hours in a queue
        self.failures = Failures()
        self.run_dir: str | None = None if log_dir is None else os.path.expanduser(log_dir)
        self._options = options
        self._draws = isinstance(options.get("probes", 1), int)
        self._log_dir = self.run_dir
        self._recorder: AttentionRecorder | None = None
        self._forward: TrainingForward | None = None
        self._pending = False  # whether a training waits for its first evaluation batch
        self._last_step: int | None = None
        self._awaited = False  # whether an evaluation is due of which nobody has told
        self._metrics: dict[str, float] = {}

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,
    ) -> None:
        """Draw the sentences and record the model as it stands before its first step."""
        self._end()
        self._pending, self._metrics, self._awaited = False, {}, args.eval_on_start
        if not state.is_world_process_zero:
            return
        with self.failures.contained("preparing the probes"):
            if args.fsdp or args.deepspeed:
                self.failures.report(
                    "a model that is spread over processes (FSDP, DeepSpeed) is not recorded here",
                    doing="preparing the probes",
                )
                return
            self._pending = True
            trainer = _trainer_of(self)
            evaluation = None if trainer is None else _evaluation_loader(trainer)
            if evaluation is not None or not self._draws:
                loader = () if evaluation is None else evaluation
                self._begin(trainer, args, state, {**kwargs, "eval_dataloader": loader})
        if not args.eval_on_start:  # else that evaluation comes next, and knows the loss
            self._record(state)

    def on_prediction_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,
    ) -> None:
        """Draw the sentences from what is evaluated, if there was nothing to draw from before."""
        if self._pending and kwargs.get("eval_dataloader") is not None:
            with self.failures.contained("preparing the probes"):
                self._begin(_trainer_of(self), args, state, kwargs)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        metrics: Mapping[str, object] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record after an evaluation, when its loss is known."""
        if self._recorder is None:
            return
        self._metrics.update(_quality(metrics or {}))
        self._evaluated(args, state)

    def on_step_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,
    ) -> None:
        """Wait for the forward pass of a training batch that is to be read."""
        self._catch_up(args, state)
        if self._forward is not None:
            self._forward.begins(kwargs["model"], args, state.global_step)

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record every n optimizer steps, if that is the schedule."""
        if self._forward is not None:
            self._forward.ends()
        self._awaited = control.should_evaluate
        if self.schedule.at_step(state.global_step):
            self._record(state)

    def on_epoch_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record epochs that end without an evaluation, and the last one in any case."""
        self._awaited = control.should_evaluate
        if control.should_evaluate or self.schedule.every_n_steps is not None:
            return
        never_evaluated = getattr(args.eval_strategy, "value", args.eval_strategy) == "no"
        due = never_evaluated and self.schedule.at_validation(
            _whole_epochs(state), of=_last_epoch(args)
        )
        # Only here: when training has ended, load_best_model_at_end has put other weights in place.
        if due or control.should_training_stop:
            self._record(state)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: Mapping[str, object] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Wait for everything to be written, while what the Trainer reports to is still open."""
        if logs is not None and "train_runtime" in logs:
            self._catch_up(args, state)  # the best model has not been loaded yet
            self._end()

    def on_train_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Say why nothing was recorded, where nothing was."""
        if self._pending:
            self.failures.report(
                "the Trainer has no eval_dataset and evaluated none, so that there was no sentence "
                "to record: give it one, Trainer(eval_dataset=...)",
                doing="preparing the probes",
            )
        self._pending = False
        self._end()

    def _begin(
        self,
        trainer: Any,
        args: TrainingArguments,
        state: TrainerState,
        given: Mapping[str, Any],
    ) -> None:
        self._pending = False
        model: nn.Module = given["model"]
        writer = _board_of(trainer)
        directory = self._log_dir or _directory_of(writer) or str(_own_directory(args))
        options = self._options.copy()
        if options.get("tokens") is None:
            options["tokens"] = _tokenizer(given.get("processing_class"))
        recorder = AttentionRecorder(
            model,
            _underneath(given["eval_dataloader"]),
            train_batches=_underneath(given.get("train_dataloader")),
            log_dir=directory,
            writer=writer if writer is not None and _directory_of(writer) == directory else None,
            loggers=[]
            if trainer is None
            else reported_to(trainer.callback_handler.callbacks, args, state, model),
            best=_best_of(args),
            resume_step=state.global_step or None,
            **options,
        )
        self.failures, self.run_dir = recorder.failures, directory
        self._recorder, self._last_step = recorder, None
        if self._watch is not None:
            self._forward = TrainingForward(self._watch, recorder, recorder.failures)
        # A training that fails calls no hook: what was recorded is written when Python ends.
        atexit.register(self._end)

    def _evaluated(self, args: TrainingArguments, state: TrainerState) -> None:
        self._awaited = False
        epochs = _whole_epochs(state)
        if state.global_step == 0 or self.schedule.at_validation(epochs, of=_last_epoch(args)):
            self._record(state)

    def _catch_up(self, args: TrainingArguments, state: TrainerState) -> None:
        """Record an evaluation that was due and called no hook, with what was logged of it."""
        if self._awaited and self._recorder is not None:
            now = (row for row in state.log_history if row.get("step") == state.global_step)
            told = {key: value for row in now for key, value in row.items() if key[:5] == "eval_"}
            self._metrics.update(_quality(told))
            self._evaluated(args, state)

    def _record(self, state: TrainerState) -> None:
        if self._recorder is None or self._last_step == state.global_step:
            return
        self._last_step = state.global_step
        logged = next((row["loss"] for row in reversed(state.log_history) if "loss" in row), None)
        scalars = dict(self._metrics) if logged is None else {"loss": logged, **self._metrics}
        self._recorder.record(step=state.global_step, epoch=_whole_epochs(state), scalars=scalars)

    def _end(self) -> None:
        if self._forward is not None:
            self._forward.ends()
            self._forward = None
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None
            atexit.unregister(self._end)


def _trainer_of(callback: AttentionCallback) -> Any:
    """Return the Trainer that is calling this callback, ``None`` if none is found.

    A Trainer hands its callbacks everything but itself, and before the first evaluation no loader
    of evaluation sentences either. It is among the callers, and looked for nowhere else.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        handler = getattr(caller, "callback_handler", None)
        if callback in getattr(handler, "callbacks", ()):
            return caller
        frame = frame.f_back
    return None


def _evaluation_loader(trainer: Any) -> object:
    """Return the loader of a Trainer's evaluation sentences; of several sets the first's."""
    evaluated = trainer.eval_dataset
    if evaluated is None:
        return None
    if isinstance(evaluated, Mapping):
        name = next(iter(evaluated), None)
        return None if name is None else trainer.get_eval_dataloader(name)
    return trainer.get_eval_dataloader()


def _underneath(loader: Any) -> object:
    """Return the loader that accelerate has wrapped.

    A pass through its own that ends early leaves ``GradientState`` with a loader that never ended,
    and the number of batches per optimizer step follows from that.
    """
    return getattr(loader, "base_dataloader", loader)


def _board_of(trainer: Any) -> Any:
    """Return the Trainer's own ``SummaryWriter``: a second one in its directory would hide it."""
    if trainer is None:
        return None
    boards = (c for c in trainer.callback_handler.callbacks if isinstance(c, TensorBoardCallback))
    return next((b.tb_writer for b in boards if b.tb_writer is not None), None)


def _directory_of(writer: Any) -> str | None:
    directory = getattr(writer, "log_dir", None)
    return None if directory is None else os.fspath(directory)


def _own_directory(args: TrainingArguments) -> Path:
    # TensorBoard's own name below output_dir holds date and host; a resumed run goes on here.
    return Path(args.output_dir or ".") / "runs" / "attention"


def _tokenizer(processing_class: Any) -> HuggingFaceTokenizer | None:
    """Return the tokenizer of a Trainer; a processor of text and pictures has one."""
    for found in (processing_class, getattr(processing_class, "tokenizer", None)):
        if isinstance(found, HuggingFaceTokenizer):
            return found
    return None


def _best_of(args: TrainingArguments) -> tuple[str, Literal["min", "max"]] | None:
    """Return by which number the Trainer keeps its best model, as the Trainer reads it."""
    name = args.metric_for_best_model
    if name is None:
        return None
    name = name if name.startswith("eval_") else f"eval_{name}"
    greater = args.greater_is_better
    greater = not name.endswith("loss") if greater is None else greater
    return name, "max" if greater else "min"


def _quality(metrics: Mapping[str, object]) -> dict[str, float]:
    values = numbers(metrics)
    return {k: v for k, v in values.items() if not any(word in k for word in _NOT_QUALITY)}


def _whole_epochs(state: TrainerState) -> int:
    return int((state.epoch or 0) + 1e-6)  # 2.9999999 is the end of the third


def _last_epoch(args: TrainingArguments) -> int | None:
    return None if args.max_steps > 0 else round(args.num_train_epochs)
