"""Seconds of the training thread per recorded step, and how much of it is the proof.

``recorded_step.py`` measures whichever `attn_monitor` is found first, and prints JSON.
``recorded_step.py --beside CLONE`` measures an earlier build beside this one, in turns, at several
lengths of sentences, with a model that names classes and without one, and prints a table.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import lightning as L
import torch
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

from attn_monitor import AttentionMonitor
from attn_monitor.monitor import session

WORDS, SENTENCES, BATCH = 30522, 128, 16
TOKENS, ROUNDS = (32, 64, 128), 3


class Bert(L.LightningModule):
    """TinyBERT's size: 4 layers of 12 heads, 14 million parameters."""

    def __init__(self, *, classes: bool) -> None:
        super().__init__()
        kind = BertForSequenceClassification if classes else BertForMaskedLM
        self.bert = kind(
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


def data(seed, tokens, *, classes):
    generator = torch.Generator().manual_seed(seed)
    rows = [
        {
            "input_ids": torch.randint(5, WORDS, (tokens,), generator=generator),
            "attention_mask": torch.ones(tokens, dtype=torch.long),
            "labels": torch.tensor(i % 2) if classes else torch.full((tokens,), 7),
        }
        for i in range(SENTENCES)
    ]
    return DataLoader(rows, BATCH)


def measure(steps_of_training, tokens, *, classes):
    """Return the seconds of a recorded step and of its proof: medians, without the first two."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    spent, steps = collections.Counter(), []
    for name in ("fingerprint", "sums"):
        for module in (session, sys.modules.get("attn_monitor.monitor.training")):
            if hasattr(module, name):
                timed(module, name, spent)
    hooks_timed = ("start", "batch_start", "batch_end", "end")
    for name in (f"on_validation_{hook}" for hook in hooks_timed):
        if name in vars(AttentionMonitor):
            timed(AttentionMonitor, name, spent)

    class Steps(L.Callback):
        def on_train_batch_start(self, *_):
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
            limit_train_batches=steps_of_training,
            limit_val_batches=5,
            max_epochs=1,
            val_check_interval=1,
        )
        L.seed_everything(0, verbose=False)
        batches = (data(seed, tokens, classes=classes) for seed in (1, 2))
        trainer.fit(Bert(classes=classes), *batches)
    hooks = [sum(v for k, v in step.items() if k.startswith("on_")) for step in steps[2:]]
    proof = [sum(v for k, v in step.items() if not k.startswith("on_")) for step in steps[2:]]
    return {"step": statistics.median(hooks), "proof": statistics.median(proof)}


def beside(clone, arguments):
    """Measure a clone and this build in turns; print both, the ratio, and the proof's share."""
    print("| tokens | classes | step then, ms | step now, ms | now / then | proof of now |")
    print("|---|---|---|---|---|---|")
    here = Path(__file__).resolve()
    for classes in (True, False):
        for tokens in TOKENS:
            found = {where: [] for where in (clone, str(here.parents[2]))}
            for _ in range(arguments.rounds):
                for where, rows in found.items():
                    command = [sys.executable, str(here), str(arguments.steps), str(tokens)]
                    said = subprocess.run(
                        [*command, *([] if classes else ["--no-classes"])],
                        env={**os.environ, "PYTHONPATH": where, "OMP_NUM_THREADS": "1"},
                        capture_output=True,
                        text=True,
                        check=True,
                    ).stdout
                    rows.append(json.loads(said.strip().splitlines()[-1]))
            then, now = (min(r["step"] for r in rows) for rows in found.values())
            share = statistics.median(r["proof"] / r["step"] for r in [*found.values()][1])
            cells = [tokens, "yes" if classes else "no", f"{1e3 * then:.0f}", f"{1e3 * now:.0f}"]
            cells += [f"{now / then:.2f}", f"{share:.1%}"]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="?", type=int, default=8, help="optimizer steps")
    parser.add_argument("tokens", nargs="?", type=int, default=TOKENS[0])
    parser.add_argument("--no-classes", dest="classes", action="store_false")
    parser.add_argument("--beside", metavar="CLONE")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    if arguments.beside:
        beside(arguments.beside, arguments)
        return
    print(json.dumps(measure(arguments.steps, arguments.tokens, classes=arguments.classes)))


if __name__ == "__main__":
    main()
