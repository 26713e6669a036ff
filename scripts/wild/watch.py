"""One training, watched or not, as the programs of `libraries/` see it."""

from __future__ import annotations

from collections.abc import Callable
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
