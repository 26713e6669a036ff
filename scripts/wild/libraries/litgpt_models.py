"""litgpt: a small GPT in a loop of Fabric, as its own pretraining is."""

from __future__ import annotations

import torch
from lightning.fabric import Fabric
from litgpt.model import GPT, Config
from torch import nn
from torch.utils.data import DataLoader
from watch import Watch

# Without what it pins: transformers, which is there, needs a newer huggingface-hub.
REQUIREMENTS = ("--no-deps", "litgpt", "jsonargparse", "docstring-parser", "typeshed-client")
PACKAGES = ("litgpt", "lightning")
LINE = "with AttentionRecorder(gpt, validation, log_dir=...) as recorder: recorder.record(...)"


def _loader(rows: int, seed: int) -> DataLoader[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    start, stride = torch.randint(1, 60, (2, rows, 1), generator=draw)
    return DataLoader(list((start + stride * torch.arange(13)) % 60), 8, shuffle=seed == 0)


def _loss(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())


def _train(watch: Watch, **options: object) -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    sizes = {"block_size": 16, "n_layer": 2, "n_head": 4, "n_embd": 32, "padded_vocab_size": 64}
    gpt = GPT(Config(**sizes, **options))
    model, optimizer = fabric.setup(gpt, torch.optim.AdamW(gpt.parameters(), lr=1e-3))
    train, validation = _loader(96, 0), _loader(32, 1)
    batches = fabric.setup_dataloaders(train)
    step = 0
    with watch.recorder(gpt, validation, train_batches=train) as recorder:
        recorder.record(step=0, epoch=0)
        for epoch in range(3):
            for ids in batches:
                watch.ledger.batch("training", ids)
                loss = _loss(model, ids)
                fabric.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
                watch.ledger.loss(loss)
                step += 1
            with torch.no_grad():
                losses = [_loss(model.eval(), ids) for ids in validation]
            model.train()
            watch.ledger.loss(losses)
            recorder.record(
                step=step, epoch=epoch + 1, scalars={"val_loss": torch.stack(losses).mean()}
            )
    watch.model, watch.optimizers = gpt, [optimizer.state_dict()]


def llama_like(watch: Watch) -> None:
    _train(
        watch,
        n_query_groups=2,
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        mlp_class_name="LLaMAMLP",
        intermediate_size=64,
    )


def neox_like(watch: Watch) -> None:
    _train(watch, rotary_percentage=0.25)


MODELS = {"GPT as Llama": llama_like, "GPT as NeoX": neox_like}
