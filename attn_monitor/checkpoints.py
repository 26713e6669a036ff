"""Recording a training that is over, from its checkpoints: :func:`record_checkpoints`."""

from __future__ import annotations

import glob
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from attn_monitor.core.errors import ConfigurationError, RunNotFoundError
from attn_monitor.core.keywords import spelled_out
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.trainer import numbers
from attn_monitor.recorder import AttentionRecorder
from attn_monitor.store import open_run

Progress = Callable[[str, int, int], None]
_WITHIN = ("state_dict", "model_state_dict", "model", "module")  # where weights lie in a file
_LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)")
_PATIENCE = 600.0  # seconds for one step to reach the disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What one checkpoint says beside its weights.

    Attributes:
        path: File or directory.
        step: Optimizer steps when it was saved.
        epoch: Epochs that had ended then; 0 where it does not say.
        weights: The state dict.
        scalars: Losses that it knows of that step.
    """

    path: Path
    step: int
    epoch: int
    weights: Mapping[str, Tensor]
    scalars: Mapping[str, float] = field(default_factory=dict)


@spelled_out(MonitorOptions)
def record_checkpoints(
    model: nn.Module,
    batches: object,
    checkpoints: str | Iterable[str | os.PathLike[str]],
    *,
    log_dir: str | os.PathLike[str],
    train_batches: object = None,
    progress: Progress = lambda _what, _done, _total: None,
    **options: Any,  # noqa: ANN401  # the fields of MonitorOptions
) -> tuple[int, ...]:
    """Record a model as it was at each of its checkpoints, in the order of their steps.

    The recording is the one that :class:`attn_monitor.AttentionRecorder` would have made while it
    trained. Called again it goes on with the checkpoints that are not recorded yet. The model has
    its own weights back afterwards.

    Args:
        model: The module that the checkpoints are of; its weights do not matter.
        batches: Validation batches: a DataLoader, or a list of batches.
        checkpoints: A pattern such as ``"runs/x/*.ckpt"``, or paths: files of Lightning, files of
            state dicts, ``checkpoint-500`` directories of ``transformers.Trainer``.
        log_dir: Where the recording goes; the run's directory in TensorBoard.
        train_batches: Training batches, to draw sentences that the model learns from.
        progress: Told what is being done, and how many of how many are.
        options: Those described in :class:`attn_monitor.AttentionMonitor`.

    Returns:
        The steps that were recorded now.

    Raises:
        ConfigurationError: No checkpoint is there, one holds other things than tensors and plain
            values, two are of one step, or one does not fit the model.
    """
    found = in_order(checkpoints)
    with weights_kept(model):
        wanted = [one.step for one in found]
        done = _recorded(log_dir)
        goes_on = max((step for step in _leading(wanted, done)), default=None)
        while True:
            todo = [one for one in found if goes_on is None or one.step > goes_on]
            _record(
                model,
                batches,
                todo,
                log_dir=log_dir,
                train_batches=train_batches,
                goes_on=goes_on,
                progress=progress,
                **options,
            )
            if set(wanted) <= set(_recorded(log_dir)) or goes_on is None:
                return tuple(one.step for one in todo)
            goes_on = None  # other sentences than before: the earlier recording was started over


def in_order(checkpoints: str | Iterable[str | os.PathLike[str]]) -> list[Checkpoint]:
    """Return what a pattern or paths name, by their steps, without weights.

    Raises:
        ConfigurationError: As :func:`record_checkpoints` says.
    """
    # Read twice: the weights of all of them at once may not fit into memory.
    light = (replace(_read(path), weights={}) for path in _paths(checkpoints))
    found = sorted(light, key=lambda one: one.step)
    for one, other in pairwise(found):
        if one.step == other.step:
            raise ConfigurationError(f"{one.path} and {other.path} are both of step {one.step}")
    return found


@contextmanager
def weights_kept(model: nn.Module) -> Iterator[None]:
    """Give the model its own weights back afterwards."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        yield
    finally:
        model.load_state_dict(before)


def load(model: nn.Module, one: Checkpoint) -> None:
    """Give the model the weights of a checkpoint.

    Raises:
        ConfigurationError: They do not fit.
    """
    _load(model, _read(one.path))


def _record(
    model: nn.Module,
    batches: object,
    found: list[Checkpoint],
    *,
    log_dir: str | os.PathLike[str],
    train_batches: object,
    goes_on: int | None,
    progress: Progress,
    **options: Any,  # noqa: ANN401
) -> None:
    if not found:
        return
    with AttentionRecorder(
        model,
        batches,
        log_dir=log_dir,
        train_batches=train_batches,
        resume_step=goes_on,
        **options,
    ) as recorder:
        for at, one in enumerate(found):
            progress("checkpoints", at, len(found))
            load(model, one)
            errors = recorder.failures.count
            recorder.record(step=one.step, epoch=one.epoch, scalars=one.scalars)
            # A training does not wait for the disk and may lose a step; here nothing else waits.
            end = time.monotonic() + _PATIENCE
            while one.step not in _recorded(log_dir) and recorder.failures.count == errors:
                if time.monotonic() > end:
                    raise ConfigurationError(f"step {one.step} did not reach {log_dir}")
                time.sleep(0.05)
        progress("checkpoints", len(found), len(found))


def _leading(wanted: list[int], done: tuple[int, ...]) -> list[int]:
    """Return the steps before the first one that is missing."""
    there = []
    for step in wanted:
        if step not in done:
            break
        there.append(step)
    return there


def _recorded(log_dir: str | os.PathLike[str]) -> tuple[int, ...]:
    try:
        return open_run(log_dir).steps
    except RunNotFoundError:
        return ()


def _paths(checkpoints: str | Iterable[str | os.PathLike[str]]) -> list[Path]:
    if isinstance(checkpoints, str):
        found = [Path(path) for path in sorted(glob.glob(checkpoints, recursive=True))]
        if not found:
            raise ConfigurationError(f"no checkpoint matches {checkpoints!r}")
        return found
    return [Path(path) for path in checkpoints]


def _read(path: Path) -> Checkpoint:
    if path.is_dir():
        return _of_transformers(path)
    if path.suffix == ".safetensors":
        return Checkpoint(path=path, step=_number_in(path), epoch=0, weights=_safetensors(path))
    content = _loaded(path)
    weights = next(
        (content[name] for name in _WITHIN if isinstance(content.get(name), Mapping)), content
    )
    weights = {k: v for k, v in weights.items() if isinstance(v, Tensor)}
    if not weights:
        raise ConfigurationError(f"{path} holds no state dict, but {sorted(map(str, content))[:8]}")
    step = content.get("global_step", content.get("step"))
    epoch = content.get("epoch")
    return Checkpoint(
        path=path,
        step=step if isinstance(step, int) else _number_in(path),
        epoch=(epoch + _ended(content)) if isinstance(epoch, int) else 0,
        weights=weights,
        scalars=_monitored(content),
    )


def _loaded(path: Path) -> Mapping[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ConfigurationError(
            f"{path} cannot be read without running code that it holds: {error}. Save its "
            "state_dict alone, torch.save(checkpoint['state_dict'], ...), and give that"
        ) from error
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{path} holds a {type(content).__name__}, wanted a state dict")
    return content


def _ended(content: Mapping[str, Any]) -> int:
    """Return 1 where Lightning saved after an epoch's last batch: its count is one behind then."""
    loop = (content.get("loops") or {}).get("fit_loop") or {}
    return int(bool((loop.get("epoch_loop.batch_progress") or {}).get("is_last_batch", False)))


def _monitored(content: Mapping[str, Any]) -> dict[str, float]:
    """Return the value that Lightning's ModelCheckpoint saved this one for."""
    states = (content.get("callbacks") or {}).values()
    known = [s for s in states if isinstance(s, Mapping) and s.get("monitor")]
    return numbers({s["monitor"]: s.get("current_score") for s in known})


def _of_transformers(path: Path) -> Checkpoint:
    state: dict[str, Any] = {}
    if (told := path / "trainer_state.json").is_file():
        state = json.loads(told.read_text(encoding="utf-8"))
    step = state.get("global_step")
    scalars: dict[str, object] = {}
    for row in state.get("log_history") or []:
        if row.get("step") == step:
            scalars |= {k: v for k, v in row.items() if "loss" in k or "accuracy" in k}
    files = sorted(path.glob("model*.safetensors"))
    weights: dict[str, Tensor] = {}
    for file in files:
        weights |= _safetensors(file)
    for file in () if files else sorted(path.glob("pytorch_model*.bin")):
        weights |= _loaded(file)
    if not weights:
        raise ConfigurationError(f"{path} holds neither model.safetensors nor pytorch_model.bin")
    return Checkpoint(
        path=path,
        step=step if isinstance(step, int) else _number_in(path),
        epoch=int(float(state.get("epoch") or 0) + 1e-6),
        weights=weights,
        scalars=numbers(scalars),
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file  # noqa: PLC0415  # with transformers; few need it

    found: dict[str, Tensor] = load_file(str(path))
    return found


def _number_in(path: Path) -> int:
    number = _LAST_NUMBER.search(path.stem)
    if number is None:
        raise ConfigurationError(
            f"{path} does not say of which step it is: give it a key 'step', or a number in its "
            "name, such as step_500.pt"
        )
    return int(number.group(1))


def _load(model: nn.Module, one: Checkpoint) -> None:
    own = model.state_dict()
    weights = dict(one.weights)
    missing = set(own) - set(weights)
    if missing:  # saved from a module around this one, as Lightning's `self.model`
        some = next(iter(missing))
        ends = [k.removesuffix(some) for k in weights if k.endswith(f".{some}")]
        for start in ends:
            inner = {k.removeprefix(start): v for k, v in weights.items() if k.startswith(start)}
            if set(own) <= set(inner):
                weights, missing = inner, set()
                break
    # Tied weights are saved once by some: what shares its memory with another is there.
    there = {own[k].data_ptr() for k in weights if k in own}
    missing = {k for k in missing if own[k].data_ptr() not in there}
    wrong = [k for k in own if k in weights and own[k].shape != weights[k].shape]
    if missing or wrong:
        raise ConfigurationError(
            f"{one.path} does not fit {type(model).__name__}: it lacks "
            f"{sorted(missing)[:4] or 'nothing'}, and has other shapes for {wrong[:4] or 'none'}"
        )
    model.load_state_dict({k: v for k, v in weights.items() if k in own}, strict=False)
