"""Seconds of the training thread per recorded step, and how much of it is the proof; as JSON.

Runs with whichever `attn_monitor` is found first, so that an earlier build can be measured beside
this one: `PYTHONPATH=<a clone of it> python recorded_step.py`.
"""

from __future__ import annotations

import collections
import json
import statistics
import sys
import tempfile
import time
import warnings

import lightning as L
import torch
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForSequenceClassification

from attn_monitor import AttentionMonitor
from attn_monitor.monitor import session

WORDS, TOKENS, SENTENCES, BATCH = 30522, 32, 128, 16
STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 8


class Bert(L.LightningModule):
    """TinyBERT's size: 4 layers of 12 heads, 14 million parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.bert = BertForSequenceClassification(
            BertConfig(
                hidden_size=312, num_hidden_layers=4, num_attention_heads=12, intermediate_size=1200
            )
        )

    def training_step(self, batch, _):
        return self.bert(**batch).loss

    def validation_step(self, batch, _):
        self.log("val_loss", self.bert(**batch).loss)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), 1e-4)


def timed(owner, name, spent):
    """Let a function add the seconds that this thread spends in it."""
    own = getattr(owner, name)

    def call(*args, **kwargs):
        start = time.thread_time()
        try:
            return own(*args, **kwargs)
        finally:
            spent[name] += time.thread_time() - start

    setattr(owner, name, call)


def data(seed):
    generator = torch.Generator().manual_seed(seed)
    rows = [
        {
            "input_ids": torch.randint(5, WORDS, (TOKENS,), generator=generator),
            "attention_mask": torch.ones(TOKENS, dtype=torch.long),
            "labels": torch.tensor(i % 2),
        }
        for i in range(SENTENCES)
    ]
    return DataLoader(rows, BATCH)


def main():
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    spent, steps = collections.Counter(), []
    for name in ("fingerprint", "sums"):
        for module in (session, sys.modules.get("attn_monitor.monitor.training")):
            if hasattr(module, name):
                timed(module, name, spent)
    for name in ("on_validation_batch_start", "on_validation_batch_end", "on_validation_end"):
        if name in vars(AttentionMonitor):
            timed(AttentionMonitor, name, spent)

    class Steps(L.Callback):
        def on_validation_start(self, *_):
            spent.clear()

        def on_validation_end(self, trainer, _):
            if not trainer.sanity_checking:
                steps.append(dict(spent))

    with tempfile.TemporaryDirectory() as root:
        trainer = L.Trainer(
            accelerator="cpu",
            callbacks=[AttentionMonitor(log_images=False), Steps()],
            default_root_dir=root,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            limit_train_batches=STEPS,
            limit_val_batches=5,
            max_epochs=1,
            val_check_interval=1,
        )
        L.seed_everything(0, verbose=False)
        trainer.fit(Bert(), data(1), data(2))
    hooks = [sum(v for k, v in step.items() if k.startswith("on_")) for step in steps[2:]]
    proof = [sum(v for k, v in step.items() if not k.startswith("on_")) for step in steps[2:]]
    print(json.dumps({"step": statistics.median(hooks), "proof": statistics.median(proof)}))


if __name__ == "__main__":
    main()
