"""Three small runs of equal length: one memorises, one does not, one cannot be compared.

Real tweets, a real model, the real callback. Run as a program, in a process of its own:

    python -m tests.signal_runs FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader

from attn_monitor import AttentionMonitor

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from airline_data import Tweets, Vocabulary, collate, load_tweets
from airline_sentiment import Sentiment

EPOCHS = 16
RUNS = ("overfit", "healthy", "unbalanced")


class Constant(Sentiment):
    """The example's model with a learning rate that does not fall: 16 epochs are few."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        ids, labels = batch
        loss = torch.nn.functional.cross_entropy(self(ids), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss


def train(folder: Path, name: str) -> None:
    """Train one of :data:`RUNS` and record it below ``folder``.

    All see 16 epochs of 12 batches. ``overfit`` sees the same 192 tweets in every epoch,
    ``healthy`` draws from 6,000 and so sees each about once. ``unbalanced`` is ``overfit`` with
    a vocabulary of its training tweets alone, so that validation tweets hold more unknown words.
    """
    L.seed_everything(3, verbose=False)
    order = np.random.default_rng(3).permutation(len(tweets := load_tweets()))
    chosen = [tweets[i] for i in order]
    few, many, held_out = chosen[:192], chosen[:6000], chosen[6000:6400]
    trained_on = many if name == "healthy" else few
    spelled_in = few if name == "unbalanced" else many
    fewest = 1 if name == "unbalanced" else 2
    vocabulary = Vocabulary([tweet.text for tweet in spelled_in], fewest)
    model = Constant(
        len(vocabulary), d_model=32, heads=4, layers=2, learning_rate=2e-3, dropout=0.0
    )
    loader = DataLoader(
        Tweets(trained_on, vocabulary), batch_size=16, shuffle=True, collate_fn=collate
    )
    validation = DataLoader(Tweets(held_out, vocabulary), batch_size=100, collate_fn=collate)
    monitor = AttentionMonitor(
        tokens=vocabulary,
        topology=True,
        log_images=False,
        watch=12,
    )
    trainer = L.Trainer(
        max_epochs=EPOCHS,
        limit_train_batches=12,
        accelerator="cpu",
        logger=TensorBoardLogger(str(folder), name=name, version=""),
        callbacks=[monitor],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        log_every_n_steps=4,
    )
    trainer.fit(model, loader, validation)


if __name__ == "__main__":
    for run in RUNS:
        train(Path(sys.argv[1]), run)
