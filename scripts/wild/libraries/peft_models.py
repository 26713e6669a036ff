"""peft: LoRA on a small BERT of random weights, in transformers' Trainer."""

from __future__ import annotations

import torch
from peft import LoraConfig, get_peft_model
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
from watch import Watch

REQUIREMENTS = ("peft",)
PACKAGES = ("peft", "transformers")
LINE = "Trainer(..., callbacks=[AttentionCallback()])"


class Rows(Dataset[dict[str, torch.Tensor]]):
    """Nine tokens each; the label is which of two is the larger."""

    def __init__(self, count: int, seed: int) -> None:
        self.ids = torch.randint(3, 60, (count, 9), generator=torch.Generator().manual_seed(seed))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = self.ids[index]
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "labels": (ids[1] > ids[2]).long(),
        }


def lora(watch: Watch) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(vocab_size=64, intermediate_size=64, **sizes)
    model = get_peft_model(
        BertForSequenceClassification(config),
        LoraConfig(task_type="SEQ_CLS", target_modules=["query", "value"], r=4, lora_dropout=0.1),
    )
    arguments = TrainingArguments(
        "out",
        num_train_epochs=3,
        eval_strategy="epoch",
        save_strategy="no",
        logging_steps=1,
        per_device_train_batch_size=16,
        use_cpu=True,
        disable_tqdm=True,
        report_to="none",
        seed=7,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Rows(96, 0),
        eval_dataset=Rows(32, 1),
        callbacks=watch.trainer_callbacks(),
    )
    watch.follow(trainer)
    trainer.train()
    watch.finish(trainer)


MODELS = {"BERT with LoRA": lora}
