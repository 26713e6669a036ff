"""One training, watched or not, as the programs of `libraries/` see it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

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

    def recorder(self, model: nn.Module, batches: object, **options: Any) -> Any:
        """Return a recorder for a loop, or what takes its place where nobody watches."""
        from attn_monitor import AttentionRecorder

        if not self.watched:
            return nullcontext(_Nobody())
        return AttentionRecorder(model, batches, log_dir=self.folder / "recording", **options)

    def trainer_callbacks(self, **options: Any) -> list[object]:
        """Return the callbacks of a ``transformers.Trainer``."""
        from attn_monitor import AttentionCallback

        place = self.folder / "recording"
        return [AttentionCallback(log_dir=place, **options)] if self.watched else []

    def follow(self, trainer: Any) -> None:
        """Note the batches that a ``transformers.Trainer`` trains on, in their order."""
        step = trainer.training_step

        def noting(model: nn.Module, batch: object, *rest: Any) -> object:
            self.ledger.batch("training", batch)
            loss = step(model, batch, *rest)
            self.ledger.loss(loss)
            return loss

        trainer.training_step = noting

    def finish(self, trainer: Any) -> None:
        """Note what a ``transformers.Trainer`` ended with; times of day are not compared."""
        timed = ("_runtime", "_per_second", "train_loss", "total_flos")
        for row in trainer.state.log_history:
            self.ledger.loss({k: v for k, v in row.items() if not k.endswith(timed)})
        self.model, self.optimizers = trainer.model, [trainer.optimizer.state_dict()]

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


class _Nobody:
    """Records nothing."""

    def record(self, **_: Any) -> None:
        """Do nothing."""


def _noting(pl: ModuleType, watch: Watch) -> object:
    """Return a callback of a Lightning; each hook gets the trainer and the module first."""
    ledger = watch.ledger

    class Noting(pl.Callback):  # type: ignore[name-defined,misc]
        def on_fit_start(self, *given: Any) -> None:
            watch.attach(given[1])

        def on_train_batch_start(self, *given: Any) -> None:
            ledger.batch("training", given[2])

        def on_train_batch_end(self, *given: Any) -> None:
            ledger.loss(given[2])

        def on_validation_start(self, *_: Any) -> None:
            watch.own.clear()

        def on_validation_batch_start(self, *given: Any) -> None:
            ledger.batch("validation", given[2])
            watch.listening = True

        def on_validation_batch_end(self, *given: Any) -> None:
            watch.listening = False
            ledger.loss(given[2])

        def on_train_end(self, *given: Any) -> None:
            trainer, watch.model = given
            ledger.loss(dict(trainer.callback_metrics))
            watch.optimizers = [optimizer.state_dict() for optimizer in trainer.optimizers]

    return Noting()
