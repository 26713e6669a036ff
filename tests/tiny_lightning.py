"""A Transformer that trains in a second, with everything in it that a monitor could disturb."""

from __future__ import annotations

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

WORDS = ["[PAD]", "[CLS]", *(f"word{i}" for i in range(30))]


def words(ids: list[int]) -> list[str]:
    return [WORDS[i] for i in ids]


words.pad_id = 0  # type: ignore[attr-defined]


class Sentences(Dataset):
    """Sentences of 3 to 9 random words; the label is whether word2 occurs."""

    def __init__(self, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.rows = []
        for _ in range(count):
            length = int(torch.randint(2, 9, (1,), generator=generator))
            ids = torch.randint(2, len(WORDS), (length,), generator=generator)
            self.rows.append((torch.cat([torch.tensor([1]), ids]), int((ids == 4).any())))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.rows[index]


def collate(samples: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    ids = nn.utils.rnn.pad_sequence([ids for ids, _ in samples], batch_first=True)
    return ids, torch.tensor([label for _, label in samples])


class Tiny(L.LightningModule):
    """Two encoder layers of two heads, dropout, batch norm, and a validation_step with a memory."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(WORDS), 16, padding_idx=0)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.2, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.BatchNorm1d(16)
        self.classify = nn.Linear(16, 2)
        self.losses: list[float] = []
        self.validated: list[int] = []

    def forward(self, ids: Tensor) -> Tensor:
        states = self.encoder(self.embed(ids), src_key_padding_mask=ids == 0)
        return self.classify(self.norm(states[:, 0]))

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        ids, labels = batch
        loss = F.cross_entropy(self(ids), labels)
        self.losses.append(loss.item())
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        ids, labels = batch
        self.validated.append(len(ids))
        self.log("val_loss", F.cross_entropy(self(ids), labels))

    def test_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        ids, labels = batch
        self.log("test_loss", F.cross_entropy(self(ids), labels))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def loaders(count: int = 64, *, workers: int = 0) -> tuple[DataLoader, DataLoader]:
    train = DataLoader(
        Sentences(count, seed=1), 16, shuffle=True, collate_fn=collate, num_workers=workers
    )
    return train, DataLoader(Sentences(count // 2, seed=2), 16, collate_fn=collate)


def trainer(root, *callbacks, epochs: int = 2, **options) -> L.Trainer:
    defaults = {
        "accelerator": "cpu",
        "default_root_dir": str(root),
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "enable_progress_bar": False,
        "log_every_n_steps": 1,
        "max_epochs": epochs,
        "callbacks": list(callbacks),
    }
    return L.Trainer(**{**defaults, **options})
