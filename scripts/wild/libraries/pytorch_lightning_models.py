"""pytorch_lightning 2.4.0, which others pin, alone and beside a newer lightning."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from watch import Watch

REQUIREMENTS = ("--no-deps", "pytorch-lightning==2.4.0")
PACKAGES = ("pytorch-lightning", "lightning")
LINE = "pytorch_lightning.Trainer(callbacks=[AttentionMonitor()])"


class Small(pl.LightningModule):  # type: ignore[misc]
    """Which of two tokens is the larger."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(64, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.classify = nn.Linear(16, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return a score per class."""
        scores: torch.Tensor = self.classify(self.encoder(self.embed(ids))[:, 0])
        return scores

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """Return the loss."""
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        """Log the loss."""
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), 1e-3)


def _loader(rows: int, seed: int) -> DataLoader[tuple[torch.Tensor, ...]]:
    ids = torch.randint(3, 60, (rows, 9), generator=torch.Generator().manual_seed(seed))
    return DataLoader(TensorDataset(ids, (ids[:, 1] > ids[:, 2]).long()), 8, shuffle=seed == 0)


def alone(watch: Watch) -> None:
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=watch.callbacks(pl),
    )
    trainer.fit(Small(), _loader(96, 0), _loader(32, 1))


def beside(watch: Watch) -> None:
    import lightning.pytorch as newer

    if newer.__version__ == pl.__version__:
        raise RuntimeError(f"both packages are {pl.__version__}: nothing is beside another")
    alone(watch)


MODELS = {"an encoder": alone, "an encoder, lightning imported too": beside}
