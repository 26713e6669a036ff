"""A Vision Transformer reads handwritten digits; its tokens are patches, shown as thumbnails.

python examples/vision.py                             # about 2 minutes on 2 cores
python examples/vision.py --small                     # seconds; little is learned
tensorboard --logdir lightning_logs                   # open the tab "Attention"
"""

from __future__ import annotations

import argparse

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from attn_monitor import AttentionMonitor, open_run

SIZE, PATCH = 8, 2  # the digits are 8 x 8 pixels; 4 x 4 patches of 2 x 2
GRID = SIZE // PATCH

Batch = tuple[Tensor, Tensor]


class VisionTransformer(L.LightningModule):
    """Patches and a class token through `nn.TransformerEncoder`; the class token answers."""

    def __init__(
        self,
        *,
        d_model: int = 64,
        heads: int = 4,
        layers: int = 4,
        learning_rate: float = 2e-3,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.patches = nn.Conv2d(1, d_model, PATCH, stride=PATCH)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, d_model))
        self.places = nn.Parameter(0.02 * torch.randn(1 + GRID**2, d_model))
        layer = nn.TransformerEncoderLayer(d_model, heads, 2 * d_model, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.classify = nn.Linear(d_model, 10)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patches(images[:, None]).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(images), -1, -1), patches], dim=1)
        return self.classify(self.encoder(tokens + self.places)[:, 0])

    def training_step(self, batch: Batch, _: int) -> Tensor:
        images, labels = batch
        loss = F.cross_entropy(self(images), labels, label_smoothing=0.1)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        images, labels = batch
        scores = self(images)
        self.log("val_loss", F.cross_entropy(scores, labels), prog_bar=True)
        self.log("val_accuracy", (scores.argmax(-1) == labels).float().mean(), prog_bar=True)

    def configure_optimizers(self) -> dict[str, object]:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=0.05)
        steps = max(2, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=steps, pct_start=0.15
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def tokens_of(batch: Batch) -> list[list[str]]:
    """Name the tokens of every image: the class token, then patches by row and column."""
    names = [f"r{row + 1}c{column + 1}" for row in range(GRID) for column in range(GRID)]
    return [["[CLS]", *names] for _ in batch[0]]


def digits(limit: int | None) -> tuple[DataLoader, DataLoader]:
    data = load_digits()
    order = np.random.default_rng(7).permutation(len(data.target))[:limit]
    images = torch.tensor(data.images[order] / 16, dtype=torch.float32)
    labels = torch.tensor(data.target[order])
    held_out = len(order) // 5
    train = TensorDataset(images[held_out:], labels[held_out:])
    val = TensorDataset(images[:held_out], labels[:held_out])
    return DataLoader(train, 64, shuffle=True), DataLoader(val, 64)


def train(
    *, epochs: int = 40, limit: int | None = None, logdir: str = "lightning_logs"
) -> tuple[float, str]:
    """Train; return the accuracy on held-out digits and the directory of the run."""
    L.seed_everything(7, verbose=False)
    training, validation = digits(limit)
    # What the tokens are called, and the images they are patches of: numbers tell the monitor
    # neither.
    monitor = AttentionMonitor(describe_batch=tokens_of, images=lambda batch: batch[0])
    logger = TensorBoardLogger(logdir, name="vision")
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=logger,
        callbacks=[monitor],
        log_every_n_steps=10,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(VisionTransformer(), training, validation)
    return float(trainer.callback_metrics["val_accuracy"]), str(logger.log_dir)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--small", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--logdir", default="lightning_logs")
    options = parser.parse_args()
    if options.small:
        accuracy, run_dir = train(epochs=1, limit=300, logdir=options.logdir)
    else:
        accuracy, run_dir = train(epochs=options.epochs, logdir=options.logdir)
    entropy = open_run(run_dir).metric("row_entropy", part="encoder")  # [step, layer, head]
    layer, head = np.unravel_index(np.argmin(entropy[-1]), entropy.shape[1:])
    print(
        f"\nHeld-out digits: accuracy {accuracy:.1%}; guessing gives 10 %.\n"
        f"Layer {layer + 1} head {head + 1} has chosen most: row entropy "
        f"{entropy[0, layer, head]:.2f} before training, {entropy[-1, layer, head]:.2f} now.\n"
        f"Now:  tensorboard --logdir {options.logdir}   and open the tab Attention.\n"
        "Look for: thumbnails in the token columns; in that head's map, stripes below the patches\n"
        "it reads; in the last layer, which strokes the row of [CLS] reads for this digit."
    )


if __name__ == "__main__":
    main()
