"""Does anything tell overfitting without labels? The runs behind docs/overfitting.md.

python examples/overfitting_study.py --out overfitting_study       # about an hour on one core
python examples/overfitting_report.py --out overfitting_study      # tables, at any time

Every run is one training with the monitor attached, as a user would have it. A finished run
leaves one file and is skipped when the study is started again.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import numpy as np
import torch
from overfitting_extras import Extras
from overfitting_tasks import CORPORA, Corpus, LastLayers, SmallTransformer, loss_per_sentence
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from attn_monitor import AttentionMonitor, open_run

PROBES = 48  # from training, from validation, and again from validation as a null control
NOISE = 0.3


@dataclass(frozen=True)
class Recipe:
    """How a task is trained: the same for all its configurations."""

    steps: int
    every: int
    batch: int
    learning_rate: float


@dataclass(frozen=True)
class Config:
    """One configuration: what is varied between runs.

    Attributes:
        task: One of the three tasks.
        name: Short name.
        held_out: Kept for the final figures; nothing was chosen by looking at it.
        sentences: Size of the training set.
        regularised: Dropout 0.3 and weight decay 0.1 instead of none and 0.01.
        noise: Share of training labels replaced by another class.
        pace: Factor of the learning rate.
    """

    task: str
    name: str
    held_out: bool
    sentences: int
    regularised: bool = False
    noise: float = 0.0
    pace: float = 1.0

    def run_name(self, seed: int) -> str:
        return f"{self.task}-{self.name}-s{seed}"


RECIPES = {
    "tweets": Recipe(steps=420, every=30, batch=32, learning_rate=1e-3),
    "docs": Recipe(steps=420, every=30, batch=16, learning_rate=2e-3),
    "minilm": Recipe(steps=120, every=12, batch=16, learning_rate=3e-4),
}


def configurations() -> list[Config]:
    """Ten per task, five of them held out; small, middling and large training sets in both."""
    found = []
    for task, small, middle, large, largest in (
        ("tweets", 128, 512, 3000, 9900),
        ("docs", 128, 512, 2500, 7100),
        ("minilm", 48, 128, 700, 2480),
    ):
        language = task == "docs"  # whose labels are its own words: no label noise
        noise = 0.0 if language else NOISE
        found += [
            Config(task, "small", False, small),
            Config(task, "middle-reg", False, middle, regularised=True),
            Config(task, "middle-slow", False, middle, pace=0.1),
            Config(task, "large-reg", False, large, regularised=True),
            Config(task, "largest", False, largest),
            Config(task, "small-reg", True, small, regularised=True),
            Config(task, "middle", True, middle),
            Config(task, "large-slow" if language else "middle-noise", True,
                   large if language else middle, noise=noise, pace=0.3 if language else 1.0),
            Config(task, "largest-reg", True, largest, regularised=True),
            Config(task, "large-half" if language else "largest-noise", True,
                   largest // 2 if language else largest, noise=noise, regularised=not language),
        ]  # fmt: skip
    return found


class Training(L.LightningModule):
    """Train on some sentences; validate on others, and on a part of the training set."""

    def __init__(self, corpus: Corpus, config: Config) -> None:
        super().__init__()
        recipe = RECIPES[config.task]
        dropout = 0.3 if config.regularised else 0.0
        make = LastLayers if config.task == "minilm" else SmallTransformer
        self.net = make(corpus, dropout=dropout)
        self.rate = recipe.learning_rate * config.pace
        self.decay = 0.1 if config.regularised else 0.01
        self.corpus = corpus

    def forward(self, batch: tuple[Tensor, ...]) -> Tensor:
        ids, _, index = batch
        states = self.corpus.states
        return self.net(ids, None if states is None else states[index])

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        return loss_per_sentence(self(batch), batch[0], batch[1]).mean()

    def validation_step(self, batch: tuple[Tensor, ...], _: int, dataloader_idx: int = 0) -> None:
        name = ("val_loss", "train_loss")[dataloader_idx]
        each = loss_per_sentence(self(batch), batch[0], batch[1])
        self.log(name, each.mean(), add_dataloader_idx=False, batch_size=len(each))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.rate, weight_decay=self.decay)


@dataclass(frozen=True)
class Split:
    """The sentences of one run.

    Attributes:
        train: Training set.
        val: Validation set.
        noisy: Which training sentences have a replaced label.
    """

    train: TensorDataset
    val: TensorDataset
    noisy: np.ndarray


def split(corpus: Corpus, config: Config, seed: int) -> Split:
    rng = np.random.default_rng(1000 + seed)
    chosen = rng.permutation(corpus.pool)[: config.sentences]
    labels = corpus.labels[chosen].clone()
    noisy = rng.random(len(chosen)) < config.noise
    shift = torch.from_numpy(rng.integers(1, corpus.classes, len(chosen)))
    labels = torch.where(torch.from_numpy(noisy), (labels + shift) % corpus.classes, labels)
    train = TensorDataset(corpus.ids[chosen], labels, torch.from_numpy(chosen))
    val = corpus.val
    return Split(
        train=train,
        val=TensorDataset(corpus.ids[val], corpus.labels[val], torch.from_numpy(val)),
        noisy=noisy,
    )


def run(config: Config, seed: int, corpus: Corpus, out: Path, *, steps: int | None = None) -> Path:
    """Train once and keep what the study needs of it: one npz file, written at the end."""
    L.seed_everything(seed, verbose=False)
    data = split(corpus, config, seed)
    monitor = AttentionMonitor(
        probes=PROBES,
        train_probes=PROBES,
        lens_sentences=PROBES,
        tokens=corpus.words,
        describe_batch=lambda batch: batch[0],
        topology=True,
        budget_mb=0.5,  # numbers matter here, maps do not
        log_images=False,
        log_scalars=False,
        seed=seed,
    )
    extras = Extras(data.train, data.val, data.noisy, probes=PROBES, seed=seed)
    folder = out / "runs" / config.run_name(seed)
    train(config, corpus, data, folder, callbacks=[monitor, extras], steps=steps)
    if monitor.failures.count:
        raise SystemExit(f"{config.run_name(seed)}: the monitor reported problems")
    return keep(config, seed, folder, extras, out)


def train(
    config: Config,
    corpus: Corpus,
    data: Split,
    folder: Path,
    *,
    callbacks: list[L.Callback],
    steps: int | None = None,
) -> None:
    """Train a fresh model as its configuration says, recording into ``folder``."""
    recipe = RECIPES[config.task]
    shutil.rmtree(folder, ignore_errors=True)
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=steps or recipe.steps,
        val_check_interval=recipe.every,
        check_val_every_n_epoch=None,
        callbacks=callbacks,
        logger=L.pytorch.loggers.CSVLogger(folder.parent, name=folder.name, version=""),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        gradient_clip_val=1.0,
    )
    batches = {"batch_size": recipe.batch, "shuffle": True, "drop_last": True}
    part = TensorDataset(*data.train[:128])
    validation = [DataLoader(data.val, 256), DataLoader(part, 256)]
    trainer.fit(Training(corpus, config), DataLoader(data.train, **batches), validation)


def keep(config: Config, seed: int, folder: Path, extras: Extras, out: Path) -> Path:
    """Gather a run's numbers in one file and remove its recording."""
    recording = open_run(folder)
    part = recording.parts[0]
    arrays: dict[str, np.ndarray] = {
        "steps": np.array(recording.steps),
        "epochs": np.array(recording.epochs),
        "metric_names": np.array([spec.name for spec in recording.metrics]),
        "lengths": np.array([len(probe.source) for probe in recording.probes]),
        "splits": np.array([probe.split for probe in recording.probes]),
        "noisy": extras.noisy,
    }
    for name in ("val_loss", "train_loss"):
        arrays[name] = np.array([recording.scalars(s).get(name, np.nan) for s in recording.steps])
    for spec in recording.output_specs:
        for which in ("val", "train", "lens"):
            arrays[f"{spec.name}/{which}"] = recording.outputs(spec.name, split=which)
    for which in ("val", "train"):
        arrays[f"metrics/{which}"] = recording.probe_metrics(part=part, split=which)
    arrays |= extras.arrays()
    return save(out / "results" / f"{config.run_name(seed)}.npz", arrays)


def save(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Write a run's numbers so that the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp.npz")
    np.savez_compressed(unfinished, **arrays)
    unfinished.rename(path)
    return path


def quiet() -> None:
    for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    torch.set_num_threads(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("overfitting_study"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", default="", help="run names that contain this")
    parser.add_argument("--keep-recordings", action="store_true")
    options = parser.parse_args()
    quiet()
    corpora: dict[str, Corpus] = {}
    # Seeds outermost: whenever it is stopped, all configurations have about as many runs.
    todo = [(c, seed) for seed in options.seeds for c in configurations()]
    todo = [(c, seed) for c, seed in todo if options.only in c.run_name(seed)]
    for at, (config, seed) in enumerate(todo):
        name = config.run_name(seed)
        if (options.out / "results" / f"{name}.npz").exists():
            continue
        begun = time.time()
        corpus = corpora.setdefault(config.task, CORPORA[config.task]())
        path = run(config, seed, corpus, options.out)
        if not options.keep_recordings:
            shutil.rmtree(options.out / "runs" / name)
        losses = np.load(path)["val_loss"][1:]
        print(
            f"{at + 1}/{len(todo)} {name}: {time.time() - begun:.0f} s, validation loss "
            f"{np.nanmin(losses):.3f} at its lowest, {losses[-1]:.3f} at the end",
            flush=True,
        )


if __name__ == "__main__":
    main()
