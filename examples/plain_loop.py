"""A training loop without Lightning: a small encoder learns to name the letter before each letter.

python examples/plain_loop.py                         # about half a minute on 2 cores
tensorboard --logdir lightning_logs                   # open the tab "Attention"
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from attn_monitor import AttentionRecorder, open_run

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LENGTH = 12


class Reader(nn.Module):
    """Two encoder layers as PyTorch ships them, and one linear layer on every state."""

    def __init__(self, d_model: int = 48, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), d_model)
        self.positions = nn.Parameter(torch.randn(LENGTH, d_model))
        layer = nn.TransformerEncoderLayer(d_model, heads, 2 * d_model, 0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.name = nn.Linear(d_model, len(LETTERS))

    def forward(self, ids: Tensor) -> Tensor:
        return self.name(self.encoder(self.letters(ids) + self.positions))


def loader(sentences: int, *, seed: int) -> DataLoader:
    """Random letters, and for each the letter before it (round the corner for the first)."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(len(LETTERS), (sentences, LENGTH), generator=generator)
    return DataLoader(TensorDataset(ids, ids.roll(1, dims=1)), batch_size=64, shuffle=True)


def spell(ids: list[int]) -> list[str]:
    return [LETTERS[i] for i in ids]


def loss_of(model: Reader, ids: Tensor, before: Tensor) -> Tensor:
    return F.cross_entropy(model(ids).transpose(1, 2), before)


@torch.no_grad()
def validate(model: Reader, batches: DataLoader) -> float:
    model.eval()
    losses = [loss_of(model, ids, before).item() for ids, before in batches]
    model.train()
    return sum(losses) / len(losses)


def train(*, epochs: int, sentences: int, log_dir: Path) -> None:
    torch.manual_seed(0)
    train_batches, val_batches = loader(sentences, seed=1), loader(256, seed=2)
    model = Reader()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    step = 0
    # The one addition: make a recorder, and say when to record.
    with AttentionRecorder(
        model, val_batches, train_batches=train_batches, log_dir=log_dir, tokens=spell
    ) as recorder:
        recorder.record(step=0, epoch=0, scalars={"val_loss": validate(model, val_batches)})
        for epoch in range(1, epochs + 1):
            for ids, before in train_batches:
                optimizer.zero_grad()
                loss_of(model, ids, before).backward()
                optimizer.step()
                step += 1
            val_loss = validate(model, val_batches)
            recorder.record(step=step, epoch=epoch, scalars={"val_loss": val_loss})
            print(f"epoch {epoch}: val_loss {val_loss:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--small", action="store_true", help="2 epochs of few sentences")
    parser.add_argument("--logdir", default="lightning_logs")
    options = parser.parse_args()
    log_dir = Path(options.logdir) / "plain_loop"
    epochs, sentences = (2, 256) if options.small else (options.epochs, 4096)
    train(epochs=epochs, sentences=sentences, log_dir=log_dir)
    before = open_run(log_dir).metric("prev", part="encoder")  # [step, layer, head]
    print(
        f"\nLargest share of attention on the letter before: {before[0].max():.0%} untrained, "
        f"{before[-1].max():.0%} now.\n"
        f"Now:  tensorboard --logdir {options.logdir}   and open the tab Attention.\n"
        "Look for: Maps sorted by Position. One head's map becomes a line beside the diagonal:\n"
        "it looks at the letter before; in the Heads view, metric Previous, its life line climbs."
    )


if __name__ == "__main__":
    main()
