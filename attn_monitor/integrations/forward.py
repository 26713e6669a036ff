"""Reads the training forward of a ``transformers.Trainer``, of which callbacks are told nothing."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import TrainingArguments

from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.growth_watch import compiled_so_far, holds_compiled
from attn_monitor.recorder import AttentionRecorder


@dataclass(slots=True)
class TrainingForward:
    """Reads the first forward pass of every n-th optimizer step.

    The model has hooks for as long as that pass is waited for, and none at any other time.

    Attributes:
        every: Optimizer steps between two readings.
        recorder: What reads.
        failures: Where problems are reported.
    """

    every: int
    recorder: AttentionRecorder
    failures: Failures
    _hooks: list[RemovableHandle] = field(default_factory=list)
    _open: ExitStack = field(default_factory=ExitStack)
    _before: int = field(default_factory=compiled_so_far)
    _compiled: bool | None = None

    def begins(self, model: nn.Module, args: TrainingArguments, step: int) -> None:
        """Wait for the forward pass of an optimizer step, if that is due.

        Args:
            model: The model that the Trainer trains.
            args: The Trainer's.
            step: Optimizer steps taken.
        """
        self.ends()
        if step % self.every:
            return
        with self.failures.contained(f"reading the training batch at step {step}"):
            if args.n_gpu > 1:
                self.failures.report(
                    "a model that is copied to several GPUs in every step is not read: start one "
                    "process per GPU, as with torchrun",
                    doing="reading training batches",
                    once=True,
                )
            elif self._is_compiled(model, args):
                with self.recorder.watch(step):  # a probe is run: compiled code cannot be read
                    pass
            else:
                self._wait(model, step)

    def ends(self) -> None:
        """The optimizer step is over, or has failed."""
        self._remove()
        self._open.close()

    def _is_compiled(self, model: nn.Module, args: TrainingArguments) -> bool:
        if self._compiled is None:
            self._compiled = bool(args.torch_compile) or holds_compiled(model)
        return self._compiled or compiled_so_far() > self._before

    def _wait(self, model: nn.Module, step: int) -> None:
        def before(*_: Any) -> None:
            self._hooks.pop(0).remove()  # of several passes in one step the first is read
            self._open.enter_context(self.recorder.watch(step))

        def after(*_: Any) -> None:
            self._remove()
            self._open.close()

        self._hooks.append(model.register_forward_pre_hook(before))
        self._hooks.append(model.register_forward_hook(after, always_call=True))

    def _remove(self) -> None:
        while self._hooks:
            self._hooks.pop().remove()
