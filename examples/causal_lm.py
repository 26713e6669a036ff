"""A small GPT learns Python from the standard library; watch induction heads appear.

pip install -e '.[examples]'
python examples/causal_lm.py                          # about 2 minutes on 2 cores
python examples/causal_lm.py --small                  # seconds; little is learned
tensorboard --logdir lightning_logs                   # open the tab "Attention", view "Heads"
"""

from __future__ import annotations

import argparse
import sysconfig
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from attn_monitor import AttentionMonitor, open_run


class Pieces:
    """Pieces of Python source as ids and back: what the monitor takes as `tokens=`."""

    def __init__(self, texts: list[str], *, size: int) -> None:
        self.tokenizer = Tokenizer(models.BPE())
        self.tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self.tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=size, initial_alphabet=alphabet, show_progress=False
        )
        self.tokenizer.train_from_iterator(texts, trainer)

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    def __call__(self, ids: list[int]) -> list[str]:
        return [self.tokenizer.id_to_token(i).replace("Ċ", "⏎") for i in ids]

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids


class Windows(Dataset[Tensor]):
    """Stretches of `length + 1` tokens, evenly spread over one long text.

    Three of four say their first 8 to `length / 2` tokens again and again. Code repeats itself
    anyway; here it pays at once to look up what came next last time, at no fixed distance, and
    minutes are enough to see the heads that do it.
    """

    def __init__(self, tokens: list[int], *, length: int, count: int) -> None:
        self.tokens = torch.tensor(tokens)
        self.length = length
        self.starts = np.linspace(0, len(tokens) - length - 1, count).astype(int)
        self.periods = np.random.default_rng(7).integers(8, length // 2 + 1, count)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Tensor:
        start = int(self.starts[index])
        window = self.tokens[start : start + self.length + 1]
        period = int(self.periods[index])
        return window[torch.arange(len(window)) % period] if index % 4 else window


def turned_by_place(vectors: Tensor) -> Tensor:
    """Turn pairs of entries by angles that grow with the token's place (RoPE, Su et al. 2021).

    Products of queries and keys then depend on how far apart two tokens stand, so that "the word
    before me" is one pattern for the whole sentence.
    """
    length, size = vectors.shape[-2:]
    rates = 100.0 ** (-torch.arange(0, size, 2, device=vectors.device) / size)
    angles = torch.arange(length, device=vectors.device)[:, None] * rates
    left, right = vectors[..., ::2], vectors[..., 1::2]
    turned = left * angles.cos() - right * angles.sin(), left * angles.sin() + right * angles.cos()
    return torch.stack(turned, dim=-1).flatten(-2)


class Block(nn.Module):
    """Attention to earlier tokens, then a small network; both on normalised states."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(d_model)
        self.project = nn.Linear(d_model, 3 * d_model)
        self.merge = nn.Linear(d_model, d_model)
        self.think = nn.Sequential(
            nn.LayerNorm(d_model),
            nn.Linear(d_model, 4 * d_model),
            nn.GELU(),
            nn.Linear(4 * d_model, d_model),
        )

    def forward(self, states: Tensor) -> Tensor:
        projected = self.project(self.before_attention(states))
        query, key, value = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in projected.chunk(3, dim=-1)
        )
        query, key = turned_by_place(query), turned_by_place(key)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        states = states + self.merge(seen.transpose(1, 2).flatten(2))
        return states + self.think(states)


class LanguageModel(L.LightningModule):
    def __init__(
        self,
        vocabulary: int,
        *,
        d_model: int = 64,
        heads: int = 2,
        layers: int = 2,
        learning_rate: float = 3e-3,
    ) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.words = nn.Embedding(vocabulary, d_model)
        nn.init.normal_(self.words.weight, std=d_model**-0.5)
        self.blocks = nn.ModuleList(Block(d_model, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, ids: Tensor) -> Tensor:
        states = self.words(ids)
        for block in self.blocks:
            states = block(states)
        return self.norm(states) @ self.words.weight.T

    def loss(self, windows: Tensor) -> Tensor:
        scores = self(windows[:, :-1])
        return F.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten())

    def training_step(self, windows: Tensor, _: int) -> Tensor:
        loss = self.loss(windows)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, windows: Tensor, _: int) -> None:
        self.log("val_loss", self.loss(windows), prog_bar=True)

    def configure_optimizers(self) -> dict[str, object]:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate, betas=(0.9, 0.98))
        steps = max(2, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=steps, pct_start=0.1
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def standard_library(files: int) -> list[str]:
    """Return the text of that many modules: the same ones on every machine with this Python."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    paths = sorted(path for path in folder.glob("*.py") if path.stat().st_size > 10_000)
    chosen = np.random.default_rng(7).permutation(len(paths))[:files]
    return [paths[i].read_text(encoding="utf-8", errors="replace") for i in chosen]


def train(
    *,
    files: int = 120,
    epochs: int = 10,
    windows: int = 6400,
    length: int = 64,
    d_model: int = 64,
    logdir: str = "lightning_logs",
) -> str:
    """Train and return the directory of the run."""
    L.seed_everything(7, verbose=False)
    texts = standard_library(files)
    held_out = max(1, len(texts) // 10)
    pieces = Pieces(texts[held_out:], size=512)
    training = [token for text in texts[held_out:] for token in pieces.encode(text)]
    validation = [token for text in texts[:held_out] for token in pieces.encode(text)]
    model = LanguageModel(len(pieces), d_model=d_model)
    logger = TensorBoardLogger(logdir, name="causal_lm")
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=logger,
        # Recorded within epochs too: induction heads appear within a few hundred steps.
        callbacks=[AttentionMonitor(tokens=pieces, every_n_steps=max(1, windows // 128))],
        gradient_clip_val=1.0,
        log_every_n_steps=10,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(
        model,
        DataLoader(Windows(training, length=length, count=windows), 32, shuffle=True),
        DataLoader(Windows(validation, length=length, count=max(32, windows // 20)), 32),
    )
    return str(logger.log_dir)


def strongest(run_dir: str, metric: str) -> str:
    """Return one line on the head that ends highest in a metric, and when it got there."""
    run = open_run(run_dir)
    curve = run.metric(metric, part="decoder")
    layer, head = np.unravel_index(np.argmax(curve[-1]), curve.shape[1:])
    line = curve[:, layer, head]
    halfway = run.steps[int(np.argmax(line >= (line[0] + line[-1]) / 2))]
    return (
        f"layer {layer + 1} head {head + 1}: {line[0]:.2f} before training, {line[-1]:.2f} now, "
        f"halfway at step {halfway}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--small", action="store_true", help="a few seconds instead of minutes")
    parser.add_argument("--logdir", default="lightning_logs")
    options = parser.parse_args()
    size = {"files": 12, "windows": 128, "length": 48, "d_model": 32} if options.small else {}
    epochs = 1 if options.small else options.epochs
    run_dir = train(epochs=epochs, logdir=options.logdir, **size)
    print(
        f"\nPrevious word: {strongest(run_dir, 'prev')}.\n"
        f"Induction:     {strongest(run_dir, 'induction')}.\n"
        f"Now:  tensorboard --logdir {options.logdir}   and open the tab Attention.\n"
        "Look for: in the Heads view, metric Induction, life lines of layer 2 that leap within a\n"
        "few hundred steps: after 'A B ... A' such a head looks at B. In layer 1, metric Previous\n"
        "word, the line that leaps with them: it tells each B which word stands before it."
    )


if __name__ == "__main__":
    main()
