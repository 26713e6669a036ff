"""accelerate: a loop of one's own around a small Transformer, mixed precision and accumulation."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForSequenceClassification
from watch import Watch

REQUIREMENTS = ("accelerate",)
PACKAGES = ("accelerate", "transformers")
LINE = "with AttentionRecorder(model, validation, log_dir=...) as recorder: recorder.record(...)"


def _loader(rows: int, seed: int) -> DataLoader[dict[str, torch.Tensor]]:
    ids = torch.randint(3, 60, (rows, 9), generator=torch.Generator().manual_seed(seed))
    batches = [{"input_ids": row, "labels": (row[1] > row[2]).long()} for row in ids]
    return DataLoader(batches, 8, shuffle=seed == 0)


def _loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    loss: torch.Tensor = model(**batch).loss
    return loss


def _train(watch: Watch, **options: object) -> None:
    accelerator = Accelerator(cpu=True, **options)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    bert = BertForSequenceClassification(BertConfig(vocab_size=64, intermediate_size=64, **sizes))
    optimizer = torch.optim.AdamW(bert.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 10, 0.5)
    model, optimizer, schedule, train, validation = accelerator.prepare(
        bert, optimizer, schedule, _loader(96, 0), _loader(32, 1)
    )
    step = 0
    with watch.recorder(bert, validation, train_batches=train) as recorder:
        recorder.record(step=0, epoch=0)
        for epoch in range(3):
            for batch in train:
                watch.ledger.batch("training", batch)
                with accelerator.accumulate(model):
                    loss = _loss(model, batch)
                    accelerator.backward(loss)
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                    optimizer.step()
                    schedule.step()
                    optimizer.zero_grad()
                watch.ledger.loss(loss)
                step += 1
            model.eval()
            with torch.no_grad():
                losses = [_loss(model, batch) for batch in validation]
            model.train()
            watch.ledger.loss(losses)
            recorder.record(
                step=step, epoch=epoch + 1, scalars={"val_loss": torch.stack(losses).mean()}
            )
    watch.model, watch.optimizers = bert, [optimizer.state_dict()]


def plain(watch: Watch) -> None:
    _train(watch)


def mixed(watch: Watch) -> None:
    _train(watch, mixed_precision="bf16", gradient_accumulation_steps=2)


MODELS = {"BERT": plain, "BERT in bfloat16, 2 batches a step": mixed}
