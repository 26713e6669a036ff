"""Trainer settings and batches that people use beside the usual ones."""

import copy
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset
from transformers import BatchEncoding

from attn_monitor import AttentionMonitor, open_run
from attn_monitor.monitor.failures import AttentionMonitorWarning
from tests.programs import run_program
from tests.tiny_lightning import Sentences, Tiny, collate, loaders, trainer, words

ROOT = Path(__file__).parents[2]


def few(**options):
    few = {"probes": 3, "train_probes": 2, "lens_sentences": 2, "signal_sentences": 5}
    return AttentionMonitor(**{"tokens": words, **few, **options})


def fit(root, *callbacks, model=None, data=None, monitor=None, **options):
    monitor = monitor or few()
    run = trainer(root, *callbacks, monitor, **options)
    run.fit(model or Tiny(), *(data or loaders()))
    assert monitor.failures.count == 0
    return run


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"accumulate_grad_batches": 2}, [0, 2, 4]),
        ({"val_check_interval": 2}, [0, 2, 4, 6, 8]),
        ({"val_check_interval": 0.5}, [0, 2, 4, 6, 8]),
        ({"check_val_every_n_epoch": 2, "epochs": 4}, [0, 8, 16]),
        ({"overfit_batches": 1}, [0, 1, 2]),
        ({"precision": "bf16-mixed"}, [0, 4, 8]),
        ({"max_steps": 5, "epochs": -1}, [0, 4]),
        ({"num_sanity_val_steps": 0, "reload_dataloaders_every_n_epochs": 1}, [0, 4, 8]),
        ({"inference_mode": False, "gradient_clip_val": 0.5}, [0, 4, 8]),
    ],
    ids=str,
)
def test_a_setting_of_the_trainer_changes_when_but_not_whether_it_is_recorded(
    options, steps, tmp_path
):
    run = fit(tmp_path, **options)
    assert list(open_run(run.logger.log_dir).steps) == steps


class SeveralLoaders(Tiny):
    def validation_step(self, batch, batch_idx, dataloader_idx=0):  # noqa: ARG002
        ids, labels = batch
        self.log("val_loss", F.cross_entropy(self(ids), labels))


@pytest.mark.parametrize("join", [list, lambda pair: dict(zip("ab", pair, strict=True))])
def test_of_several_validation_loaders_the_first_gives_the_sentences(join, tmp_path):
    train, val = loaders()
    other = DataLoader(Sentences(16, seed=9), 8, collate_fn=collate)
    run = fit(tmp_path, model=SeveralLoaders(), data=(train, join([val, other])))
    alone = fit(tmp_path / "alone", data=(train, val))
    texts = [
        [p.source.text for p in open_run(each.logger.log_dir).probes if p.split == "val"]
        for each in (run, alone)
    ]
    assert texts[0] == texts[1]


class TakesTheBatchAlone(Tiny):
    def validation_step(self, batch):
        super().validation_step(batch, 0)


class TakesWhatComes(Tiny):
    def validation_step(self, *args):
        super().validation_step(*args)


@pytest.mark.parametrize("model", [TakesTheBatchAlone, TakesWhatComes])
def test_a_validation_step_may_leave_out_the_number_of_its_batch(model, tmp_path):
    run = fit(tmp_path, model=model(), monitor=copy.deepcopy(few()))
    assert list(open_run(run.logger.log_dir).steps) == [0, 4, 8]


class ByHand(Tiny):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        for optimizer in self.optimizers():
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():
            optimizer.step()
        return loss

    def configure_optimizers(self):
        return [torch.optim.SGD(part.parameters(), 0.1) for part in (self.embed, self.encoder)]


def test_manual_optimisation_counts_the_steps_of_every_optimizer(tmp_path):
    run = fit(tmp_path, model=ByHand())
    assert list(open_run(run.logger.log_dir).steps) == [0, 8, 16]


def test_a_moving_average_of_the_weights_and_a_compiled_part_are_no_hindrance(tmp_path):
    model = Tiny()
    run = fit(tmp_path, EMAWeightAveraging(decay=0.9), model=model)
    assert list(open_run(run.logger.log_dir).steps) == [0, 4, 8]


class Stream(IterableDataset):
    def __iter__(self):
        return iter(Sentences(32, seed=1).rows)


def test_a_stream_of_sentences_gives_those_it_delivered(tmp_path):
    stream = DataLoader(Stream(), 8, collate_fn=collate)
    limits = {"limit_train_batches": 3, "limit_val_batches": 2}
    run = fit(tmp_path, data=(stream, stream), **limits)
    recording = open_run(run.logger.log_dir)
    assert list(recording.steps) == [0, 3, 6]
    every = [tuple(words(ids.tolist())) for ids, _ in Sentences(32, seed=1).rows]
    for split, delivered in (("val", 16), ("train", 24)):
        texts = [probe.source.text for probe in recording.probes if probe.split == split]
        assert texts
        assert set(texts) <= set(every[:delivered])
        assert len(set(texts)) == len(texts)
    assert recording.probes[0].source.text in every[:8]


def test_a_trial_run_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit(tmp_path, fast_dev_run=True)
    assert list(tmp_path.iterdir()) == []


@dataclass
class Batch:
    ids: torch.Tensor
    labels: torch.Tensor


def as_dataclass(samples):
    return Batch(*collate(samples))


def nested(samples):
    ids, labels = collate(samples)
    return {"inputs": {"input_ids": ids, "attention_mask": (ids != 0).long()}, "labels": labels}


def encoding(samples):
    ids, labels = collate(samples)
    mask = (ids != 0).long()
    return BatchEncoding({"input_ids": ids, "attention_mask": mask, "labels": labels})


def with_text(samples):
    ids, labels = collate(samples)
    return [ids, labels, ["as it was written"] * len(labels)]


class OddBatches(Tiny):
    """Takes any of the batches above apart."""

    def pair(self, batch):
        if isinstance(batch, Batch):
            return batch.ids, batch.labels
        if isinstance(batch, list):
            return batch[0], batch[1]
        return batch.get("inputs", batch)["input_ids"], batch["labels"]

    def training_step(self, batch, batch_idx):
        return super().training_step(self.pair(batch), batch_idx)

    def validation_step(self, batch, batch_idx):
        super().validation_step(self.pair(batch), batch_idx)


@pytest.mark.parametrize("make", [as_dataclass, nested, encoding, with_text])
def test_batches_of_many_makes_are_understood(make, tmp_path):
    data = tuple(DataLoader(Sentences(32, seed=seed), 16, collate_fn=make) for seed in (1, 2))
    run = fit(tmp_path, model=OddBatches(), data=data)
    probe = open_run(run.logger.log_dir).probes[0]
    assert probe.source.text[0] == "[CLS]"
    assert all(text.startswith("word") for text in probe.source.text[1:])


TWO_PROCESSES = """
import hashlib
import os
import sys
import lightning as L
import torch
from attn_monitor import AttentionMonitor
from tests.e2e.conftest import free_port
from tests.tiny_lightning import Tiny, loaders, trainer, words

def train(folder, monitors):
    L.seed_everything(3, verbose=False)
    run = trainer(folder, *monitors, devices=2, strategy="ddp")
    run.fit(Tiny(), *loaders())
    state = hashlib.sha256(torch.random.get_rng_state().numpy().tobytes())
    for tensor in run.model.state_dict().values():
        state.update(tensor.numpy().tobytes())
    for slots in run.optimizers[0].state_dict()["state"].values():
        state.update(b"".join(value.numpy().tobytes() for value in slots.values()))
    loss = run.callback_metrics["val_loss"].item().hex()
    problems = sum(monitor.failures.count for monitor in monitors)
    with open(f"{folder}-{run.global_rank}.txt", "w") as file:
        print("problems", problems, "state", state.hexdigest(), "loss", loss, file=file)

torch.set_num_threads(1)
os.environ |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}  # as torchrun does
os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
os.environ["TORCHELASTIC_RUN_ID"] = "one"
second = os.fork()
os.environ["RANK"] = os.environ["LOCAL_RANK"] = str(int(second == 0))
status = 1
try:
    train(f"{sys.argv[1]}/plain", [])
    few = {"probes": 3, "train_probes": 2, "lens_sentences": 2, "signal_sentences": 5}
    asked = {"watch": 1, "mask": "full", "importance": "last"}
    train(f"{sys.argv[1]}/watched", [AttentionMonitor(tokens=words, **few, **asked)])
    status = 0
finally:
    if second == 0:
        os._exit(status)
    os.waitpid(second, 0)
"""


def test_two_processes_train_as_if_nobody_watched_and_the_first_one_writes(tmp_path):
    done = run_program(str(tmp_path), code=TWO_PROCESSES)
    assert done.returncode == 0, done.stderr[-2000:]
    plain, watched = (
        [(tmp_path / f"{way}-{rank}.txt").read_text() for rank in range(2)]
        for way in ("plain", "watched")
    )
    assert watched == plain
    assert all(ended.startswith("problems 0 ") for ended in watched)
    [recorded] = tmp_path.rglob("run.json")
    run = open_run(recorded.parents[3])
    assert list(run.steps) == [0, 2, 4]
    assert [probe.split for probe in run.probes] == [
        *["val"] * 3, *["train"] * 2, *["lens"] * 2, *["train_output"] * 3
    ]  # fmt: skip
    assert run.remarks.audit.holds is True
    assert [reading.step for reading in run.remarks.readings] == [1, 2, 3]  # sentences come first
    assert len(run.importance(4).heads) == 2 * 2


class Generating(Tiny):
    """Reads ever longer beginnings of the sentence, before or after the sentence itself."""

    def __init__(self, *, before):
        super().__init__()
        self.before = before

    def validation_step(self, batch, batch_idx):
        if not self.before:
            super().validation_step(batch, batch_idx)
        for length in range(2, 6):
            self(batch[0][:, :length])
        if self.before:
            super().validation_step(batch, batch_idx)


@pytest.mark.filterwarnings("ignore:`isinstance.treespec")  # Lightning's, let out by pytest.warns
@pytest.mark.parametrize("before", [True, False])
def test_text_generated_in_validation_step_is_left_out_and_said_once(before, tmp_path):
    monitor = few()
    training = trainer(tmp_path, monitor)
    with pytest.warns(AttentionMonitorWarning, match="generate text.*replay=lambda") as said:
        training.fit(Generating(before=before), *loaders())
    assert len([each for each in said if each.category is AttentionMonitorWarning]) == 1
    run = open_run(training.logger.log_dir)
    assert run.parts == ("encoder",)
    for probe in filter(lambda probe: probe.measured, run.probes):
        size = len(probe.source)
        assert run.attention(step=8, probe=probe.index, part="encoder", layer=1).shape[1:] == (
            size,
            size,
        )


def test_with_a_replay_of_ones_own_nothing_is_said_of_generation(tmp_path):
    monitor = few(replay=lambda module, batch: module(batch[0]))
    run = fit(tmp_path, model=Generating(before=True), monitor=monitor)
    assert open_run(run.logger.log_dir).parts == ("encoder",)
