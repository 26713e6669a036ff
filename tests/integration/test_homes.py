"""Other packages and loggers that people train with: pytorch_lightning, CSV, Weights & Biases."""

import csv
import importlib
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from attn_monitor import AttentionMonitor, open_run
from attn_monitor.monitor.failures import AttentionMonitorWarning
from tests.tiny_lightning import WORDS, loaders, words

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{kind}:pytorch_lightning")
    for kind in ("UserWarning", "FutureWarning")
]
PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def fit(package, root, monitor, *, fails=False, **options):
    """Train a small model of one package's LightningModule in its Trainer."""
    pl = importlib.import_module(package)

    class Small(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(len(WORDS), 16, padding_idx=0)
            layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.classify = nn.Linear(16, 2)

        def loss(self, batch):
            ids, labels = batch
            states = self.encoder(self.embed(ids), src_key_padding_mask=ids == 0)
            return F.cross_entropy(self.classify(states[:, 0]), labels)

        def training_step(self, batch, _):
            return self.loss(batch)

        def validation_step(self, batch, _):
            self.log("val_loss", self.loss(batch))

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters())

    pl.seed_everything(3, verbose=False)
    trainer = pl.Trainer(
        **{
            "accelerator": "cpu",
            "default_root_dir": str(root),
            "enable_checkpointing": False,
            "enable_model_summary": False,
            "enable_progress_bar": False,
            "log_every_n_steps": 1,
            "max_epochs": 2,
            "callbacks": [monitor],
            **options,
        }
    )
    trainer.fit(Small(), *loaders())
    assert (monitor.failures.count > 0) == fails
    return trainer


def few():
    return AttentionMonitor(
        tokens=words, probes=3, train_probes=2, lens_sentences=2, signal_sentences=5
    )


def loggers_of(package):
    return importlib.import_module(f"{package}.loggers")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_callback_works_in_the_trainer_of_either_package(package, tmp_path):
    logger = loggers_of(package).TensorBoardLogger(tmp_path)
    trainer = fit(package, tmp_path, few(), logger=logger)
    run = open_run(logger.log_dir)
    assert list(run.steps) == [0, 4, 8]
    assert run.scalars(8)["val_loss"] == pytest.approx(float(trainer.callback_metrics["val_loss"]))
    assert len(list(Path(logger.log_dir).glob("events.out.tfevents.*"))) == 1


@pytest.mark.parametrize("package", PACKAGES)
def test_a_csv_logger_keeps_the_training_metrics_and_nothing_of_ours(package, tmp_path):
    logger = loggers_of(package).CSVLogger(tmp_path)
    fit(package, tmp_path, few(), logger=logger)
    logger.finalize("success")
    with (Path(logger.log_dir) / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"epoch", "step", "val_loss"}
    assert [int(row["step"]) for row in rows] == [3, 7]
    assert list(open_run(logger.log_dir).steps) == [0, 4, 8]


@pytest.mark.parametrize("package", PACKAGES)
def test_pictures_go_to_every_logger_that_takes_them(package, tmp_path):
    loggers = loggers_of(package)

    class Pictures(loggers.CSVLogger):
        """Takes pictures as W&B's and MLflow's loggers of Lightning do."""

        def __init__(self, root):
            super().__init__(root)
            self.pictures = []

        def log_image(self, key, images, step=None, **kwargs):
            assert not kwargs
            self.pictures.append((key, step, [np.asarray(image) for image in images]))

    taking, board = Pictures(tmp_path / "a"), loggers.TensorBoardLogger(tmp_path / "b")
    fit(package, tmp_path, few(), logger=[taking, board])
    assert {(key, step) for key, step, _ in taking.pictures} >= {
        ("attention/encoder", 0),
        ("attention/encoder", 8),
    }
    [picture] = taking.pictures[-1][2]
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert picture.std() > 10


def test_a_logger_that_cannot_take_a_picture_is_named_and_the_recording_goes_on(tmp_path):
    loggers = loggers_of(PACKAGES[0])

    class Refuses(loggers.CSVLogger):
        def log_image(self, key, images, step=None):  # noqa: ARG002
            raise ConnectionError("no network")

    monitor, logger = few(), Refuses(tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit(PACKAGES[0], tmp_path, monitor, fails=True, logger=logger)
    texts = [str(w.message) for w in said if w.category is AttentionMonitorWarning]
    assert any("giving a picture to Refuses: ConnectionError: no network" in t for t in texts)
    assert list(open_run(logger.log_dir).steps) == [0, 4, 8]


@pytest.mark.filterwarnings("ignore")  # of W&B's own
def test_weights_and_biases_gets_the_pictures_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="Weights & Biases is not installed")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    logger = loggers_of(PACKAGES[0]).WandbLogger(
        project="attention", save_dir=tmp_path, offline=True
    )
    trainer = fit(PACKAGES[0], tmp_path, few(), logger=logger)
    directory = Path(logger.experiment.dir)
    logger.experiment.finish()
    pictures = sorted(directory.rglob("attention/encoder*.png"))
    assert len(pictures) >= 2
    assert list(directory.parent.glob("*.wandb"))
    recorded = list(tmp_path.rglob("run.json"))
    assert len(recorded) == 1
    assert trainer.global_step == 8
