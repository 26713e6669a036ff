"""transformers: small models of random weights in its own Trainer."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
    Trainer,
    TrainingArguments,
)
from watch import Watch

REQUIREMENTS = ("transformers", "accelerate")
PACKAGES = ("transformers", "accelerate")
LINE = "Trainer(..., callbacks=[AttentionCallback()])"


class Rows(Dataset[dict[str, torch.Tensor]]):
    """Nine tokens each, the last of some rows padding."""

    def __init__(self, count: int, seed: int, *, classes: bool) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.ids = torch.randint(3, 60, (count, 9), generator=draw)
        self.classes = classes

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids, mask = self.ids[index].clone(), torch.ones(9, dtype=torch.long)
        mask[9 - index % 3 :] = 0
        labels = (ids[1] > ids[2]).long() if self.classes else ids.clone()
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def _train(watch: Watch, model: nn.Module, *, classes: bool = False, **options: object) -> None:
    arguments = TrainingArguments(
        "out",
        num_train_epochs=3,
        eval_strategy="epoch",
        save_strategy="no",
        logging_steps=1,
        per_device_train_batch_size=8,
        use_cpu=True,
        disable_tqdm=True,
        report_to="none",
        seed=7,
        **options,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Rows(96, 0, classes=classes),
        eval_dataset=Rows(32, 1, classes=classes),
        callbacks=watch.trainer_callbacks(),
    )
    watch.follow(trainer)
    trainer.train()
    watch.finish(trainer)


def bert(watch: Watch) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(vocab_size=64, intermediate_size=64, **sizes)
    _train(watch, BertForSequenceClassification(config), classes=True)


def gpt2(watch: Watch) -> None:
    config = GPT2Config(vocab_size=64, n_positions=16, n_embd=32, n_layer=2, n_head=4)
    _train(watch, GPT2LMHeadModel(config), gradient_accumulation_steps=4)


def t5(watch: Watch) -> None:
    config = T5Config(
        vocab_size=64,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
    )
    _train(watch, T5ForConditionalGeneration(config))


MODELS = {"BERT": bert, "GPT-2, 4 batches a step": gpt2, "T5": t5}
