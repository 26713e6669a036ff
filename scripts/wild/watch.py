"""One training, watched or not, as the programs of `libraries/` see it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from ledger import Ledger
from torch import Tensor, nn

# (module, what it was called with, what it returned) -> [row, head, query, key]
ReadWeights = Callable[[nn.Module, tuple[object, ...], object], Tensor]


@dataclass
class Watch:
    """What a program gets: whether to watch, where to write, and where to note what happened."""

    folder: Path
    watched: bool
    ledger: Ledger = field(default_factory=Ledger)
    model: nn.Module | None = None
    optimizers: list[object] = field(default_factory=list)
    own: dict[str, list[Tensor]] = field(default_factory=dict)
    listens: tuple[type[nn.Module], ReadWeights] | None = None
    listening: bool = False

    def callbacks(self, pl: ModuleType, **options: object) -> list[object]:
        """Return the callbacks of a Lightning trainer: the ledger, and the monitor if watched."""
        from attn_monitor import AttentionMonitor

        ours = [AttentionMonitor(**options)] if self.watched else []  # type: ignore[arg-type]
        return [_noting(pl, self), *ours]

    def attach(self, model: nn.Module) -> None:
        """Keep the weights that modules of a kind give out during the newest validation."""
        for name, module in model.named_modules():
            if self.listens is None or not isinstance(module, self.listens[0]):
                continue

            def keep(
                module: nn.Module,
                inputs: tuple[object, ...],
                named: dict[str, object],
                output: object,
                name: str = name,
            ) -> None:
                if self.listening and self.listens is not None:
                    weights = self.listens[1](module, (*inputs, *named.values()), output)
                    self.own.setdefault(name, []).append(weights.detach().cpu().clone())

            module.register_forward_hook(keep, with_kwargs=True)


def _noting(pl: ModuleType, watch: Watch) -> object:
    ledger = watch.ledger

    class Noting(pl.Callback):  # type: ignore[name-defined,misc]
        def on_fit_start(self, trainer, pl_module):  # type: ignore[no-untyped-def]
            watch.attach(pl_module)

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):  # type: ignore[no-untyped-def]
            ledger.batch("training", batch)

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):  # type: ignore[no-untyped-def]
            ledger.loss(outputs)

        def on_validation_start(self, trainer, pl_module):  # type: ignore[no-untyped-def]
            watch.own.clear()

        def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):  # type: ignore[no-untyped-def]
            ledger.batch("validation", batch)
            watch.listening = True

        def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):  # type: ignore[no-untyped-def]
            watch.listening = False
            ledger.loss(outputs)

        def on_train_end(self, trainer, pl_module):  # type: ignore[no-untyped-def]
            ledger.loss({k: v for k, v in trainer.callback_metrics.items()})
            watch.model = pl_module
            watch.optimizers = [optimizer.state_dict() for optimizer in trainer.optimizers]

    return Noting()
