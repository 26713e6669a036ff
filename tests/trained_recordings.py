"""Recordings of small real trainings, looked at beside those that are made.

``python tests/trained_recordings.py FOLDER`` trains all four: ten minutes on one core.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import airline_sentiment
import causal_lm
import translation
import vision

from attn_monitor import AttentionMonitor


def train_gpt(logdir: str, *, steps: int = 60, length: int = 128) -> None:
    """Twelve layers of twelve heads on 128 pieces of Python, trained a little."""
    L.seed_everything(7, verbose=False)
    texts = causal_lm.standard_library(24)
    pieces = causal_lm.Pieces(texts[2:], size=512)
    training, validation = (
        [token for text in half for token in pieces.encode(text)] for half in (texts[2:], texts[:2])
    )
    trainer = L.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=TensorBoardLogger(logdir, name="gpt"),
        callbacks=[AttentionMonitor(tokens=pieces, every_n_steps=steps // 4)],
        gradient_clip_val=1.0,
        log_every_n_steps=5,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    trainer.fit(
        causal_lm.LanguageModel(len(pieces), d_model=192, heads=12, layers=12, learning_rate=1e-3),
        DataLoader(causal_lm.Windows(training, length=length, count=8 * steps), 8, shuffle=True),
        DataLoader(causal_lm.Windows(validation, length=length, count=16), 8),
    )


def train_translation(logdir: str) -> None:
    cache = Path(__file__).parents[1] / ".demo" / "catalogues"
    pairs = translation.load_pairs(None, cache, small=True)
    translation.train(pairs, epochs=8, d_model=64, vocabulary=1000, logdir=logdir)


TRAININGS: dict[str, Callable[[str], object]] = {
    "gpt": train_gpt,
    "vision": lambda logdir: vision.train(epochs=20, logdir=logdir),
    "airline": lambda logdir: airline_sentiment.train(logdir=logdir),
    "translation": train_translation,
}


def record_trainings(folder: Path) -> None:
    """Train what is not in the log directory yet; each is its run ``trained/NAME``."""
    for name, train in TRAININGS.items():
        run = folder / "trained" / name
        if not run.exists():
            unfinished = folder.with_name("unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            train(str(unfinished))
            run.parent.mkdir(parents=True, exist_ok=True)
            next(unfinished.glob("*/version_0")).rename(run)


if __name__ == "__main__":
    record_trainings(Path(sys.argv[1]))
