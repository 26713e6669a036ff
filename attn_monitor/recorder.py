"""Recording in a training loop of your own, without Lightning."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal

from torch import nn

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.keywords import spelled_out
from attn_monitor.monitor.calls import arguments_of
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.growth_watch import Growth, compiled_so_far
from attn_monitor.monitor.moving import on_device_of
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.probes import draw_all
from attn_monitor.monitor.session import Session
from attn_monitor.monitor.summaries import SummaryWriter
from attn_monitor.monitor.trainer import check_writable, numbers
from attn_monitor.signals.losses import WATCHED, WATCHED_MODE

logger = logging.getLogger(__name__)
_IDS = "input_ids"  # how a batch calls the tokens of a text


class AttentionRecorder:
    """Record a model's attention on a few fixed sentences whenever you say so.

    What :class:`attn_monitor.AttentionMonitor` is for Lightning this is for a plain loop: the
    same probes, recording, metrics, scalars and tab, and the same promise that the model, its
    gradients and all random states are left as they were. Wrong options raise when the recorder
    is made; later problems are said once and counted, and never end a training.

    Args:
        model: The module whose attention is recorded.
        batches: Validation batches: a DataLoader, or a list of batches; none are needed beside
            ``probes`` of your own.
        log_dir: Where the recording and the event file go; the run's directory in TensorBoard.
        train_batches: Training batches, to draw sentences that the model learns from.
        writer: Your own ``SummaryWriter`` for ``log_dir``; one is opened by default.
        loggers: What else numbers and pictures go to: objects with Lightning's
            ``log_metrics(metrics, step)``, and pictures as ``docs/places.md`` says.
        best: Which of the scalars says what step is best, and how: ``("val_accuracy", "max")``; by
            default the lowest validation loss.
        resume_step: When an earlier recording in ``log_dir`` goes on: the step it goes on from;
            it starts over by default.
        replay: ``(model, batch) -> anything``: how the model reads a batch. By default a mapping
            becomes the keyword arguments that ``forward`` takes, a tuple as many positional ones
            as it requires, and a tensor its only argument.
        probes: This and the other options are described in :class:`attn_monitor.AttentionMonitor`:
            all but ``every_n_epochs`` and ``every_n_steps``.

    Raises:
        ConfigurationError: An option that cannot work, or a directory that cannot be written.
        BatchNotUnderstoodError: The tokens of a batch could not be found.
        NothingCapturedError: The model ran and no attention was seen.

    Example:
        with AttentionRecorder(model, val_loader, log_dir="runs/first", tokens=words) as recorder:
            recorder.record(step=0, epoch=0)
            for epoch in range(10):
                step = train_one_epoch(model)
                recorder.record(step=step, epoch=epoch + 1, scalars={"val_loss": validate(model)})
    """

    @spelled_out(MonitorOptions)
    def __init__(
        self,
        model: nn.Module,
        batches: object = (),
        *,
        log_dir: str | os.PathLike[str],
        train_batches: object = None,
        writer: SummaryWriter | None = None,
        loggers: Sequence[object] = (),
        best: tuple[str, Literal["min", "max"]] | None = None,
        resume_step: int | None = None,
        **options: Any,  # noqa: ANN401  # the fields of MonitorOptions
    ) -> None:
        chosen = MonitorOptions(**options)
        read = chosen.replay or read_batch
        if not isinstance(model, nn.Module):
            raise ConfigurationError(f"model must be a torch.nn.Module, got {model!r}")
        if best is not None and best[1] not in {"min", "max"}:
            raise ConfigurationError(f'best must be like ("val_accuracy", "max"), got {best!r}')
        directory = os.path.expanduser(log_dir)  # TensorBoard's writer makes a directory "~"
        check_writable(directory, remedy="AttentionRecorder(log_dir=...)")
        self.failures = Failures()
        self._compiled = compiled_so_far()
        self._growth: Growth | None = None
        self._own_writer = None if writer is not None else _open_writer(directory)
        self._session: Session | None = Session(
            model=model,
            batches=draw_all(chosen, validation=batches, training=train_batches),
            replay=lambda batch: read(model, on_device_of(model, batch)),
            run_dir=directory,
            writer=writer if writer is not None else self._own_writer,
            loggers=loggers,
            options=chosen,
            failures=self.failures,
            resume_step=resume_step,
            watched_metric={} if best is None else {WATCHED: best[0], WATCHED_MODE: best[1]},
        )

    def record(self, *, step: int, epoch: int, scalars: Mapping[str, object] | None = None) -> None:
        """Replay the probes now, in evaluation mode; write in the background.

        Args:
            step: Optimizer steps so far; it must grow from call to call.
            epoch: Epochs so far; 0 before the first.
            scalars: What the tab should show beside the maps, such as ``val_loss``, whose lowest
                value it marks: numbers or tensors of one element.
        """
        session = self._session
        with self.failures.contained(f"recording step {step}"):
            if session is None:
                raise ConfigurationError("the recorder is closed; record within its with block")
            if session.last_step is not None and step <= session.last_step:
                raise ConfigurationError(
                    f"got step {step} after step {session.last_step}; steps must grow"
                )
            if session.last_step is None and (audit := session.beside.audit()) is not None:
                level = logging.WARNING if audit.holds is False else logging.INFO
                logger.log(level, audit.sentence)
            session.record(step=step, epoch=epoch, scalars=numbers(scalars or {}))
            session.deliver()

    @contextmanager
    def watch(self, step: int) -> Iterator[None]:
        """Read the forward pass of a training batch inside the ``with`` block, if it is due.

        Due is every n-th step with ``watch=n``. The pass itself stays as it is; the backward pass
        belongs outside of the block.

        Args:
            step: Optimizer steps so far; of several batches of one step the first is read.
        """
        session = self._session
        if self._growth is None and session is not None:
            with self.failures.contained("preparing to read training batches"):
                self._growth = session.beside.growth(self._compiled)
        if self._growth is None:
            yield
        else:
            with self._growth.watching(step):
                yield

    def close(self) -> None:
        """Wait for everything to be written; done by the ``with`` block."""
        if self._session is not None:
            with self.failures.contained("measuring the importance of heads"):
                self._session.finish()
            self._session.close()
            self._session = None
        if self._own_writer is not None:
            with self.failures.contained("closing the event file"):
                self._own_writer.flush()
            self._own_writer = None

    def __enter__(self) -> AttentionRecorder:
        """Return the recorder."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it, also when the loop was left by an error."""
        self.close()


def read_batch(model: nn.Module, batch: object) -> object:
    """Run a model on a batch as most models are called.

    A batch of pairs or triplets, ``anchor_input_ids``, ``positive_input_ids`` and so on, is one
    call for each of its texts, with a mapping, as sentence-transformers calls a model.

    Raises:
        ConfigurationError: The model cannot be called that way; the message says what to do.
    """
    arguments, named = arguments_of(model, batch)
    try:
        return model(*arguments, **named)
    except TypeError as error:
        if texts := _texts(batch):
            return [model(text) for text in texts][-1]
        raise ConfigurationError(
            f"{type(model).__name__} could not be called with a batch: {error}. Say how: "
            "AttentionRecorder(replay=lambda model, batch: model(batch['ids']), ...)"
        ) from error


def _texts(batch: object) -> list[dict[str, object]]:
    """Return the texts of a batch that names several, each without its prefix."""
    if not isinstance(batch, Mapping):
        return []
    starts = [key.removesuffix(_IDS) for key in map(str, batch) if key.endswith(f"_{_IDS}")]
    return [
        {str(k).removeprefix(start): v for k, v in batch.items() if str(k).startswith(start)}
        for start in starts
    ]


def _open_writer(directory: str) -> SummaryWriter:
    from torch.utils.tensorboard import SummaryWriter as TorchSummaryWriter  # noqa: PLC0415

    writer: SummaryWriter = TorchSummaryWriter(directory)
    return writer
