"""The two packages that Lightning is published as; other loggers are in test_loggers.py."""

import importlib
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from attn_monitor import AttentionMonitor, open_run
from tests.tiny_lightning import WORDS, loaders, words

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{kind}:pytorch_lightning")
    for kind in ("UserWarning", "FutureWarning")
]
PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def fit(package, root, monitor, **options):
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
    assert monitor.failures.count == 0
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
def test_pictures_go_to_every_logger_that_takes_them(package, tmp_path):
    loggers = loggers_of(package)

    class Pictures(loggers.CSVLogger):
        """Takes pictures as W&B's logger of Lightning does."""

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


@pytest.mark.parametrize("several", [True, False])
def test_a_monitor_made_before_a_lightning_was_imported_is_one_of_its_callbacks(
    several, monkeypatch
):
    before, monitor = AttentionMonitor.__bases__, few()
    late = types.ModuleType("pytorch_lightning")
    late.Callback = type("Callback", (), {})
    monkeypatch.setitem(sys.modules, "pytorch_lightning", late)
    try:
        if several:  # what a trainer asks first may be about another class
            assert not isinstance(monitor, importlib.import_module(PACKAGES[0]).Trainer)
        assert isinstance(monitor, late.Callback)
        assert monitor.__class__ is AttentionMonitor
    finally:
        AttentionMonitor.__bases__ = before
