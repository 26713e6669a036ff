"""What the callback asks of a trainer, by duck typing: any Lightning of the last years will do."""

from __future__ import annotations

import inspect
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, MutableSequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from torch import Tensor, nn

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.monitor.calls import ModuleCalls
from attn_monitor.monitor.feeds import feeds_in
from attn_monitor.monitor.moving import on_device_of
from attn_monitor.monitor.options import ReplayBatch
from attn_monitor.signals.losses import WATCHED, WATCHED_MODE

_DUE: Final = "require_forward_param_sync"  # of DDP: a pass without gradients takes it back


@runtime_checkable
class Trainer(Protocol):
    """What we use of a Lightning trainer."""

    @property
    def state(self) -> Any:  # noqa: ANN401  # its members differ between releases
        """What it is doing."""
        ...

    @property
    def loggers(self) -> MutableSequence[Any]:  # Any: a list of whichever logger class it knows
        """Every logger; the list itself, not a copy."""
        ...

    @property
    def default_root_dir(self) -> str:
        """Where things go that have no logger."""
        ...

    @property
    def strategy(self) -> Any:  # noqa: ANN401  # each strategy annotates in its own way
        """How the module is run."""
        ...

    @property
    def is_global_zero(self) -> bool:
        """Whether this is the first of the processes."""
        ...

    @property
    def enable_validation(self) -> bool:
        """Whether there is validation."""
        ...

    @property
    def sanity_checking(self) -> bool:
        """Whether this is the trial run of validation."""
        ...

    @property
    def is_last_batch(self) -> bool:
        """Whether the epoch ends with this batch."""
        ...

    @property
    def current_epoch(self) -> int:
        """Finished epochs of training."""
        ...

    @property
    def global_step(self) -> int:
        """Optimizer steps."""
        ...

    @property
    def max_epochs(self) -> int | None:
        """Epochs to train."""
        ...

    @property
    def callback_metrics(self) -> Mapping[str, Any]:
        """What the user has logged."""
        ...

    @property
    def should_stop(self) -> bool:
        """Whether somebody has asked it to end."""
        ...

    @property
    def max_steps(self) -> int:
        """Optimizer steps to take, -1 for no limit."""
        ...

    @property
    def train_dataloader(self) -> Any:  # noqa: ANN401  # as the user passed it
        """Training batches."""
        ...


def watched_by(trainer: Trainer) -> dict[str, str]:
    """Return what the trainer's checkpoints, or else what stops it early, call best.

    As options of a recording; empty where nothing of the kind is set.
    """
    callbacks = list(getattr(trainer, "callbacks", ()))
    for saves in (True, False):
        for callback in callbacks:
            name, mode = getattr(callback, "monitor", None), getattr(callback, "mode", None)
            if (
                isinstance(name, str)
                and mode in {"min", "max"}
                and hasattr(callback, "best_model_path") is saves
            ):
                return {WATCHED: name, WATCHED_MODE: str(mode)}
    return {}


def phase_of(trainer: Trainer) -> str:
    """Return ``"fit"``, ``"validate"``, ``"test"`` or ``"predict"``: what the user called."""
    # An enum, whose members print as `TrainerFn.FITTING` and are worth `fit`.
    return str(getattr(trainer.state.fn, "value", trainer.state.fn))


def run_directory(trainer: Trainer, phase: str) -> str:
    """Return where this phase is recorded: beside the event file, or a directory of its own.

    Testing and validating alone are runs of their own below the training run, so that their
    probes, drawn from another loader, are never mistaken for the training's.
    """
    first = next(filter(is_tensorboard, trainer.loggers), next(iter(trainer.loggers), None))
    # Not `trainer.log_dir`: for that, processes that train together wait for each other.
    place = "log_dir" if is_tensorboard(first) or _is("CSVLogger", first) else "save_dir"
    directory = getattr(first, place, None)
    if directory is None:
        # Lightning gives runs without a logger no directory of their own.
        directory = _next_version(Path(trainer.default_root_dir) / "attention_logs")
    directory = os.path.expanduser(directory)  # a CSVLogger leaves it to fsspec, which does
    return directory if phase == "fit" else str(Path(directory) / phase)


def is_last_validation_batch(trainer: Trainer, phase: str) -> bool:
    """Return whether a validation or a test ends with this batch, as far as the trainer knows."""
    path = {"fit": "fit_loop.epoch_loop.val_loop", "validate": "validate_loop", "test": "test_loop"}
    found: object = trainer
    for name in [*path.get(phase, "none").split("."), "batch_progress", "is_last_batch"]:
        found = getattr(found, name, False)
    return found is True


def feeds_of(trainer: Trainer) -> Iterator[tuple[str, object]]:
    """Yield the loaders that the trainer takes batches from, so far as it has any yet."""
    for name in ("train_dataloader", "val_dataloaders", "test_dataloaders"):
        for feed in feeds_in(getattr(trainer, name, None)):
            yield name, feed


def batches_seen(trainer: Trainer) -> str:
    """Return how far the trainer is in its data."""
    loop = getattr(getattr(trainer, "fit_loop", None), "epoch_loop", None)
    ready = getattr(getattr(getattr(loop, "batch_progress", None), "total", None), "ready", None)
    fetched = getattr(
        getattr(getattr(trainer, "fit_loop", None), "_data_fetcher", None), "fetched", None
    )
    return f"{ready}/{fetched}"


def epochs_begun(trainer: Trainer) -> float:
    """Return how many epochs were trained, the batches of the last one counted as a fraction."""
    loop = getattr(getattr(trainer, "fit_loop", None), "epoch_loop", None)
    ready = getattr(getattr(getattr(loop, "batch_progress", None), "current", None), "ready", 0)
    batches = getattr(trainer, "num_training_batches", 0)
    return trainer.current_epoch + (ready / batches if batches else 0.0)


def is_tensorboard(logger: object) -> bool:
    """Tell Lightning's TensorBoard logger without importing Lightning."""
    return _is("TensorBoardLogger", logger)


def _is(name: str, obj: object) -> bool:
    return any(base.__name__ == name for base in type(obj).__mro__)


def check_writable(directory: str, *, remedy: str) -> None:
    """Create the directory and a file in it, to fail now rather than after an epoch.

    Args:
        directory: Where the recording is to go.
        remedy: How its place is chosen.

    Raises:
        ConfigurationError: It cannot be written.
    """
    if "://" in directory:
        return  # remote: the first write tells
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"AttentionMonitor cannot write to the log directory {directory}: {error}. Choose "
            f"another with {remedy}"
        ) from error


def numbers(metrics: Mapping[str, object]) -> dict[str, float]:
    """Return what the user has logged, as floats: the tab marks the best validation loss."""
    values: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1):
            values[name] = float(value)
    return values


def replay_through(
    trainer: Trainer,
    module: nn.Module,
    phase: str,
    custom: ReplayBatch | None,
    silent_logger: Callable[[], object],
) -> StepReplay:
    """Return what runs one probe batch through the module, unheard.

    By default that is the module's own ``validation_step`` (``test_step`` when testing), through
    the strategy, so that precision plugins and wrappers apply; of a batch whose module calls can
    stand for the step, these calls alone.
    """
    step_name = "test_step" if phase == "test" else "validation_step"
    return StepReplay(trainer, module, step_name, custom, silent_logger)


class StepReplay:
    """Runs one probe batch, or the module calls that stand for it, through a module, unheard.

    Attributes:
        heard: The numbers that the step logged in the last replay.
    """

    def __init__(
        self,
        trainer: Trainer,
        module: nn.Module,
        step_name: str,
        custom: ReplayBatch | None,
        silent_logger: Callable[[], object],
    ) -> None:
        self._trainer, self._module, self._step_name = trainer, module, step_name
        self._custom, self._silent_logger = custom, silent_logger
        self._rest = _numbers_of_a_batch(getattr(module, step_name))
        self.heard: dict[str, float] = {}

    def __call__(self, given: object) -> object:
        """Run it; return what the step or the last module returned."""
        trainer, module = self._trainer, self._module
        self.heard.clear()
        with _unheard(trainer, module, self._silent_logger, self.heard):
            if isinstance(given, ModuleCalls):
                with trainer.strategy.precision_plugin.val_step_context():
                    return given.run(module)
            # A copy each time: a step that changes its batch must find it as it was delivered.
            moved = on_device_of(module, given)
            if self._custom is not None:
                return self._custom(module, moved)
            run: Callable[..., object] = getattr(trainer.strategy, self._step_name)
            with _synchronised_as_before(getattr(trainer.strategy, "model", None)):
                return run(moved, *self._rest)


@contextmanager
def _synchronised_as_before(wrapper: object) -> Iterator[None]:
    """Let DDP bring the buffers of all processes in line at the next pass if it would have."""
    due = getattr(wrapper, _DUE, None)
    try:
        yield
    finally:
        if due is not None:
            setattr(wrapper, _DUE, due)


def _numbers_of_a_batch(step: Callable[..., object]) -> tuple[int, ...]:
    """Return what a step takes after the batch: the batch's number, the loader's, or nothing."""
    parameters = inspect.signature(step).parameters
    if "dataloader_idx" in parameters:
        return (0, 0)
    alone = len(parameters) == 1 and not any(
        p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters.values()
    )
    return () if alone else (0,)


@contextmanager
def _unheard(
    trainer: Trainer,
    module: nn.Module,
    silent_logger: Callable[[], object],
    heard: dict[str, float],
) -> Iterator[None]:
    """Mute ``self.log`` and every logger: probes are not data, their loss is not the loss.

    Args:
        trainer: The trainer.
        module: What it trains.
        silent_logger: Makes a logger that keeps quiet.
        heard: Takes the numbers that were to be logged.
    """

    def log(name: str, value: object = None, *_: object, **__: object) -> None:
        heard.update(numbers({name: value}))

    def log_dict(values: Mapping[str, object], *_: object, **__: object) -> None:
        heard.update(numbers(dict(values)))

    loggers = list(trainer.loggers)
    muted = {name: vars(module).get(name) for name in ("log", "log_dict")}
    trainer.loggers[:] = [silent_logger() for _ in loggers]
    vars(module).update(log=log, log_dict=log_dict)
    try:
        yield
    finally:
        trainer.loggers[:] = loggers
        for name, before in muted.items():
            if before is None:
                del vars(module)[name]
            else:
                vars(module)[name] = before


def _next_version(root: Path) -> Path:
    taken = [p.name.removeprefix("version_") for p in root.glob("version_*")]
    return root / f"version_{1 + max((int(n) for n in taken if n.isdigit()), default=-1)}"
