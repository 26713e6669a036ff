"""SANVis's case: an encoder-decoder Transformer learns to translate English into French.

pip install -e '.[examples]'
python examples/translation.py                        # about 11 minutes on 2 cores
python examples/translation.py --small                # a minute, on one small catalogue
python examples/translation.py --data pairs.tsv       # your own pairs: source <tab> target
tensorboard --logdir lightning_logs                   # open the tab "Attention", part "cross"
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import lightning as L
import numpy as np
import sacrebleu
import torch
from catalogues import Pair
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.nn import functional as F
from translation_data import END, PAD, START, Batch, Pieces, load_pairs, translation_data

from attn_monitor import AttentionMonitor, open_run


class Translator(L.LightningModule):
    """`nn.Transformer` as PyTorch ships it, with one table of word pieces for both languages."""

    def __init__(
        self,
        pieces: Pieces,
        *,
        d_model: int = 128,
        heads: int = 8,
        layers: int = 3,
        learning_rate: float = 2e-3,
        dropout: float = 0.15,
    ) -> None:
        super().__init__()
        self.pieces = pieces
        self.learning_rate = learning_rate
        self.words = nn.Embedding(len(pieces), d_model, padding_idx=PAD)
        nn.init.normal_(self.words.weight, std=d_model**-0.5)
        self.dropout = nn.Dropout(dropout)
        self.transformer = nn.Transformer(
            d_model, heads, layers, layers, 2 * d_model, dropout, batch_first=True
        )

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.decode(self.encode(source), source, target)

    def encode(self, source: Tensor) -> Tensor:
        padding = source == PAD
        return self.transformer.encoder(self.embed(source), src_key_padding_mask=padding)

    def decode(self, memory: Tensor, source: Tensor, target: Tensor) -> Tensor:
        length = target.shape[1]
        future = torch.ones(length, length, dtype=torch.bool, device=target.device).triu(1)
        states = self.transformer.decoder(
            self.embed(target),
            memory,
            tgt_mask=future,
            tgt_is_causal=True,
            memory_key_padding_mask=source == PAD,
        )
        return states @ self.words.weight.T

    def embed(self, ids: Tensor) -> Tensor:
        d_model = self.words.embedding_dim
        waves = torch.arange(0, d_model, 2, device=ids.device) * (-math.log(1e4) / d_model)
        angles = torch.arange(ids.shape[1], device=ids.device)[:, None] * waves.exp()
        places = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        return self.dropout(self.words(ids) * math.sqrt(d_model) + places)

    @torch.inference_mode()
    def translate(self, source: Tensor, *, longest: int = 40) -> list[str]:
        """Return the greedy translations of a batch."""
        memory = self.encode(source)
        target = torch.full((len(source), 1), START, device=source.device)
        for _ in range(longest):
            following = self.decode(memory, source, target)[:, -1].argmax(-1, keepdim=True)
            target = torch.cat([target, following], dim=1)
            if (target == END).any(dim=1).all():
                break
        return [self.pieces.decode(row) for row in target[:, 1:].tolist()]

    def training_step(self, batch: Batch, _: int) -> Tensor:
        scores = self(batch["input_ids"], batch["decoder_input_ids"])
        loss = F.cross_entropy(
            scores.flatten(0, 1), batch["labels"].flatten(), ignore_index=PAD, label_smoothing=0.1
        )
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        scores = self(batch["input_ids"], batch["decoder_input_ids"])
        loss = F.cross_entropy(scores.flatten(0, 1), batch["labels"].flatten(), ignore_index=PAD)
        self.log("val_loss", loss, prog_bar=True)

    def configure_optimizers(self) -> dict[str, object]:
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
        )
        steps = max(2, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=steps, pct_start=0.15
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def bleu(hypotheses: list[str], references: list[str]) -> float:
    """Return the corpus BLEU, 0 to 100."""
    return float(sacrebleu.corpus_bleu(hypotheses, [references]).score)


def train(
    pairs: list[Pair],
    *,
    epochs: int = 20,
    logdir: str = "lightning_logs",
    d_model: int = 128,
    vocabulary: int = 3000,
) -> dict[str, float]:
    """Train, translate held-out sentences, and return what the summary prints."""
    L.seed_everything(7, verbose=False)
    data = translation_data(pairs, vocabulary=vocabulary)
    model = Translator(data.pieces, d_model=d_model)
    logger = TensorBoardLogger(logdir, name="translation")
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=logger,
        callbacks=[AttentionMonitor(tokens=data.pieces)],
        gradient_clip_val=1.0,
        log_every_n_steps=10,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(model, data.train, data.val)
    model.eval()
    translated = [text for batch in data.test for text in model.translate(batch["input_ids"])]
    english, french = (list(side) for side in zip(*data.test_pairs, strict=True))
    for source, target in list(zip(english, translated, strict=True))[:5]:
        print(f"  {source}  ->  {target}")
    # The head that ended up most diagonal, at the first step and at the last.
    diagonal = open_run(logger.log_dir).metric("diagonal", part="cross")
    layer, head = np.unravel_index(np.argmax(diagonal[-1]), diagonal.shape[1:])
    return {
        "bleu": bleu(translated, french),
        "bleu_of_copying": bleu(english, french),
        "layer": int(layer),
        "head": int(head),
        "diagonal_before": float(diagonal[0, layer, head]),
        "diagonal_after": float(diagonal[-1, layer, head]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a TSV file: source <tab> target")
    parser.add_argument("--cache", type=Path, default=Path(".demo/catalogues"))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--small", action="store_true", help="a small model, two epochs")
    parser.add_argument("--logdir", default="lightning_logs")
    options = parser.parse_args()
    pairs = load_pairs(options.data, options.cache, small=options.small)
    print(f"{len(pairs)} pairs of sentences", flush=True)
    if options.small:
        found = train(pairs, epochs=2, d_model=32, vocabulary=1000, logdir=options.logdir)
    else:
        found = train(pairs, epochs=options.epochs, logdir=options.logdir)
    print(
        f"\nHeld-out sentences: BLEU {found['bleu']:.1f}; copying the English scores "
        f"{found['bleu_of_copying']:.1f}.\n"
        f"Layer {found['layer'] + 1} head {found['head'] + 1} looks straight across: "
        f"diagonal share {found['diagonal_before']:.2f} before training, "
        f"{found['diagonal_after']:.2f} now.\n"
        f"Now:  tensorboard --logdir {options.logdir}   and open the tab Attention, part cross.\n"
        "Look for: maps that are even at step 0 and diagonal at the end; in the Heads view, the\n"
        "metric Diagonal share rising; in a layer's Piles, the heads that all do it as one stack."
    )


if __name__ == "__main__":
    main()
