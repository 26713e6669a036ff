"""A small BERT of random weights with its own words, and a ``transformers.Trainer`` for it."""

from __future__ import annotations

import functools
import tempfile

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertTokenizer,
    Trainer,
    TrainingArguments,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{i}" for i in range(20))]
FEW = {
    "probes": 3,
    "train_probes": 2,
    "lens_sentences": 2,
    "signal_sentences": 5,
    "log_images": False,  # half the time of these tests otherwise
}


class Sentences(Dataset):
    """Sentences of 3 to 7 words; the label is whether word2 occurs."""

    def __init__(self, count, seed):
        generator = np.random.default_rng(seed)
        self.rows = [
            generator.integers(5, len(WORDS), generator.integers(3, 8)).tolist()
            for _ in range(count)
        ]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        ids = [2, *self.rows[index], 3]
        return {"input_ids": ids, "attention_mask": [1] * len(ids), "label": int(7 in ids)}


@functools.cache
def tokenizer():
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(WORDS))
        file.flush()
        return BertTokenizer(vocab=file.name)


def bert():
    torch.manual_seed(1)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return BertForSequenceClassification(
        BertConfig(vocab_size=len(WORDS), intermediate_size=32, max_position_embeddings=16, **sizes)
    )


def trainer(root, *callbacks, evaluated=True, **arguments):
    return Trainer(
        model=bert(),
        args=TrainingArguments(
            **{
                "output_dir": str(root),
                "num_train_epochs": 2,
                "per_device_train_batch_size": 4,
                "eval_strategy": "epoch",
                "save_strategy": "no",
                "logging_steps": 1,
                "learning_rate": 1e-2,
                "report_to": "none",
                "use_cpu": True,
                "disable_tqdm": True,
                "seed": 5,
                **arguments,
            }
        ),
        train_dataset=Sentences(16, 1),
        eval_dataset=Sentences(8, 2) if evaluated is True else evaluated,
        processing_class=tokenizer(),
        callbacks=list(callbacks),
    )
