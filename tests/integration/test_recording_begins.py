"""When a recording begins, with which sentences, and what is said of it."""

from __future__ import annotations

import logging.handlers
import queue

import numpy as np
import pytest
import torch
from lightning_utilities.core import rank_zero
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from attn_monitor import open_run
from tests.compared_training import embedded, monitor, train, watched
from tests.tiny_lightning import Tiny, collate, loaders, trainer

# Lightning's own: `pytest.warns` hands on what it was not looking for without saying whose it is.
pytestmark = pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec:FutureWarning")


class Stored(Tiny):
    """Keeps its outputs in what exists during a validation only."""

    def on_validation_epoch_start(self):
        self.outputs = []

    def on_validation_epoch_end(self):
        del self.outputs

    def validation_step(self, batch, index):  # noqa: ARG002
        states = self.encoder(self.embed(batch[0]), src_key_padding_mask=batch[0] == 0)
        self.outputs.append(F.cross_entropy(self.classify(self.norm(states[:, 0])), batch[1]))
        self.log("val_loss", self.outputs[-1])


def test_a_replay_that_fails_before_training_is_tried_again_in_the_validation(
    tmp_path, monkeypatch
):
    said = []
    monkeypatch.setattr("attn_monitor.callback._say", said.append)
    recording, _ = watched(tmp_path, model=Stored)
    assert list(recording.steps) == [4, 8]
    [line] = [text for text in said if "begins at step 4" in text]
    assert "no attribute 'outputs'" in line


class Weighted(Tiny):
    def training_step(self, batch, _):
        ids, labels, weight = batch
        rows = self.norm(self.encoder(self.embed(ids), src_key_padding_mask=ids == 0)[:, 0])
        loss = (F.cross_entropy(self.classify(rows), labels, reduction="none") * weight).mean()
        self.losses.append(loss.item())
        return loss


def weighted():
    def join(samples):
        return (*collate(samples), torch.ones(len(samples)))

    train_loader, val = loaders()
    return DataLoader(train_loader.dataset, 16, collate_fn=join), val


def test_training_batches_that_validation_cannot_read_are_left_out_by_name(tmp_path):
    with pytest.warns(UserWarning, match=r"training sentences are left out.*train_probes=0"):
        recording, _ = watched(tmp_path, model=Weighted, data=weighted, fails=True)
    assert list(recording.steps) == [0, 4, 8]
    assert {probe.split for probe in recording.probes} == {"val", "lens"}


class WeightedCall(Weighted):
    def training_step(self, batch, index):
        return Tiny.training_step(self, batch[:2], index)


def test_training_batches_are_read_as_the_training_step_reads_them(tmp_path):
    recording, _ = watched(tmp_path, model=WeightedCall, data=weighted)
    assert {probe.split for probe in recording.probes} == {"val", "lens", "train", "train_output"}


@pytest.mark.parametrize("options", [{"check_val_every_n_epoch": 2, "epochs": 4}, {}])
def test_without_a_sanity_check_recording_begins_with_training_sentences(options, tmp_path):
    recording, _ = watched(tmp_path, num_sanity_val_steps=0, **options)
    steps = {2: [0, 8, 16], None: [0, 4, 8]}[options.get("check_val_every_n_epoch")]
    assert list(recording.steps) == steps
    assert [p.split for p in recording.probes if p.measured] == ["train"] * 3 + ["val"] * 4
    values = recording.probe_metrics(part="encoder", split="val")
    assert np.isnan(values[0]).all()
    assert np.isfinite(values[1:, ..., 0]).all()


def test_without_any_validation_training_sentences_are_recorded_and_it_is_said_once(tmp_path):
    with pytest.warns(UserWarning, match="trained without validation") as said:
        recording, _ = watched(tmp_path, data=lambda: loaders()[:1], fails=True)
    assert len([each for each in said if "without validation" in str(each.message)]) == 1
    assert list(recording.steps) == [0, 4, 8]
    assert {probe.split for probe in recording.probes} == {"train", "train_output"}


class Late(Tiny):
    def on_train_start(self):
        for parameter in self.parameters():
            nn.init.normal_(parameter)
        self.begun = {name: value.clone() for name, value in self.state_dict().items()}


def test_step_0_is_the_weights_that_the_first_optimizer_step_starts_from(tmp_path):
    recording, model = watched(tmp_path, model=Late)
    np.testing.assert_allclose(*embedded(recording, model.begun, 0), atol=4e-3)


def test_a_resumed_training_has_the_same_sentences_wherever_it_records(tmp_path):
    run, *_ = train(tmp_path / "first", monitor(), epochs=1)
    run.save_checkpoint(tmp_path / "one.ckpt")
    again = trainer(tmp_path / "second", monitor(), epochs=2)
    again.fit(Tiny(), *loaders(), ckpt_path=tmp_path / "one.ckpt", weights_only=True)
    first, second = (open_run(each.logger.log_dir) for each in (run, again))
    assert first.probes == second.probes
    assert list(second.steps) == [4, 8]


def test_success_is_said_in_one_line_and_predicting_leaves_nothing(tmp_path, capsys, caplog):
    # Lightning speaks through the logger of whichever of its two packages was imported last.
    said = logging.handlers.QueueHandler(queue.SimpleQueue())
    rank_zero.log.addHandler(said)
    try:
        with caplog.at_level("INFO", logger=rank_zero.log.name):
            train(tmp_path / "fit", monitor(), epochs=1)
    finally:
        rank_zero.log.removeHandler(said)
    records = [said.queue.get() for _ in range(said.queue.qsize())]
    line, proof = [record.message for record in records if "AttentionMonitor" in record.message]
    assert proof.startswith("AttentionMonitor: training untouched: checked at 2 steps")
    assert "6 validation and 6 training sentences" in line
    assert "encoder of 2 layers x 2 heads" in line
    assert f"tensorboard --logdir {tmp_path / 'fit' / 'lightning_logs' / 'version_0'}" in line

    class Predicting(Tiny):
        def predict_step(self, batch, _):
            return self(batch[0])

    trainer(tmp_path / "predict", monitor(), logger=False).predict(Predicting(), loaders()[1])
    assert not (tmp_path / "predict").exists()
    capsys.readouterr()
