"""One training in three libraries that leave the loop to you: Fabric, accelerate and ignite.

python examples/other_loops.py --loop fabric          # or accelerate, ignite; all by default
tensorboard --logdir lightning_logs                   # open the tab "Attention"

Each is the loop of plain_loop.py in the library's own words. The recorder is made in the first
process only, from the model before the library wraps it and from loaders that it has not wrapped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from plain_loop import Reader, loader, loss_of, spell, validate
from torch.utils.data import DataLoader

from attn_monitor import AttentionRecorder, open_run


def recorder_of(model: Reader, train: DataLoader, val: DataLoader, log_dir: Path):
    return AttentionRecorder(model, val, train_batches=train, log_dir=log_dir, tokens=spell)


class RecordAttention:
    """Hooks for ``fabric.call``: a callback of Fabric is any object with methods of these names."""

    recorder: AttentionRecorder | None = None

    def on_fit_start(self, *, model: Reader, train: DataLoader, val: DataLoader, log_dir: Path):
        self.recorder = recorder_of(model, train, val, log_dir)

    def on_validation_end(self, *, step: int, epoch: int, val_loss: float) -> None:
        if self.recorder is not None:
            self.recorder.record(step=step, epoch=epoch, scalars={"val_loss": val_loss})

    def on_fit_end(self) -> None:
        if self.recorder is not None:
            self.recorder.close()


def with_fabric(epochs: int, train: DataLoader, val: DataLoader, log_dir: Path) -> None:
    from lightning.fabric import Fabric

    fabric = Fabric(accelerator="cpu", devices=1, callbacks=RecordAttention())
    fabric.launch()
    reader = Reader()
    model, optimizer = fabric.setup(reader, torch.optim.Adam(reader.parameters(), lr=3e-3))
    batches = fabric.setup_dataloaders(train)
    if fabric.is_global_zero:
        fabric.call("on_fit_start", model=reader, train=train, val=val, log_dir=log_dir)
    step = 0
    fabric.call("on_validation_end", step=0, epoch=0, val_loss=validate(reader, val))
    for epoch in range(1, epochs + 1):
        for ids, before in batches:
            optimizer.zero_grad()
            fabric.backward(loss_of(model, ids, before))
            optimizer.step()
            step += 1
        fabric.call("on_validation_end", step=step, epoch=epoch, val_loss=validate(reader, val))
    fabric.call("on_fit_end")


def with_accelerate(epochs: int, train: DataLoader, val: DataLoader, log_dir: Path) -> None:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    reader = Reader()
    adam = torch.optim.Adam(reader.parameters(), lr=3e-3)
    model, optimizer, batches = accelerator.prepare(reader, adam, train)
    recorder = recorder_of(reader, train, val, log_dir) if accelerator.is_main_process else None
    step = 0
    for epoch in range(epochs + 1):
        for ids, before in batches if epoch else ():
            with accelerator.accumulate(model):
                accelerator.backward(loss_of(model, ids, before))
                optimizer.step()
                optimizer.zero_grad()
            step += accelerator.sync_gradients
        if recorder is not None:
            recorder.record(step=step, epoch=epoch, scalars={"val_loss": validate(reader, val)})
    if recorder is not None:
        recorder.close()


def with_ignite(epochs: int, train: DataLoader, val: DataLoader, log_dir: Path) -> None:
    from ignite.engine import Engine, Events

    reader = Reader()
    optimizer = torch.optim.Adam(reader.parameters(), lr=3e-3)

    def update(_: Engine, batch: list[torch.Tensor]) -> float:
        optimizer.zero_grad()
        loss = loss_of(reader, *batch)
        loss.backward()
        optimizer.step()
        return loss.item()

    recorder = recorder_of(reader, train, val, log_dir)
    trainer = Engine(update)

    @trainer.on(Events.STARTED | Events.EPOCH_COMPLETED)
    def record(engine: Engine) -> None:
        state, scalars = engine.state, {"val_loss": validate(reader, val)}
        recorder.record(step=state.iteration, epoch=state.epoch, scalars=scalars)

    trainer.add_event_handler(Events.COMPLETED, recorder.close)
    trainer.run(train, max_epochs=epochs)


LOOPS: dict[str, Callable[[int, DataLoader, DataLoader, Path], None]] = {
    "fabric": with_fabric,
    "accelerate": with_accelerate,
    "ignite": with_ignite,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--loop", choices=LOOPS, action="append", help="all by default")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--small", action="store_true", help="2 epochs of few sentences")
    parser.add_argument("--logdir", default="lightning_logs")
    options = parser.parse_args()
    epochs, sentences = (2, 256) if options.small else (options.epochs, 4096)
    for name in options.loop or LOOPS:
        torch.manual_seed(0)
        log_dir = Path(options.logdir) / name
        LOOPS[name](epochs, loader(sentences, seed=1), loader(256, seed=2), log_dir)
        before = open_run(log_dir).metric("prev", part="encoder")  # [step, layer, head]
        print(f"{name}: most attention on the letter before is {before[-1].max():.0%} now")
    print(
        f"Now:  tensorboard --logdir {options.logdir}   and open the tab Attention.\n"
        "Look for: the same picture as in plain_loop.py, whichever library drove the loop."
    )


if __name__ == "__main__":
    main()
