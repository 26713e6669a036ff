"""Trainings that a monitor could disturb, each run with and without one: the same to the bit."""

from __future__ import annotations

import collections
import itertools
import json
import random
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset

from attn_monitor import open_run
from attn_monitor.cli import describe
from tests.compared_training import embedded, monitor, train, watched
from tests.tiny_lightning import WORDS, Sentences, Tiny, collate, loaders, trainer, words

# Lightning's own: `pytest.warns` hands on what it was not looking for without saying whose it is.
pytestmark = pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec:FutureWarning")


class Stream(IterableDataset):
    """Goes on where it was left, whoever asks."""

    def __init__(self):
        self.rows = itertools.cycle(Sentences(200, seed=3).rows)

    def __iter__(self):
        return itertools.islice(self.rows, 64)


class Drawing(Dataset):
    """Draws each sentence from a generator of its own when asked for one."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)

    def __len__(self):
        return 64

    def __getitem__(self, index):
        return torch.randint(1, len(WORDS), (5,), generator=self.generator), index % 2


class Opening(Dataset):
    """Opens its file when it is first read, as do many."""

    def __init__(self, path):
        self.path, self.file = path, None

    def __len__(self):
        return 64

    def __getitem__(self, index):
        if self.file is None:
            self.file = self.path.open("rb", buffering=0)
        self.file.seek(8 * index)
        return torch.tensor([1, *self.file.read(8)]), index % 2


def loader(dataset, **options):
    return DataLoader(dataset, 16, collate_fn=collate, **options)


def test_a_stream_loses_no_batch(tmp_path):
    recording, _ = watched(tmp_path, data=lambda: (loader(Stream()), loader(Stream())))
    first = Sentences(200, seed=3).rows[:16]
    delivered = {tuple(words(ids.tolist())) for ids, _ in first}
    shown = [p.source.text for p in recording.probes if p.split == "train"]
    assert len(shown) == 3
    assert set(shown) <= delivered


def test_a_dataset_that_draws_from_a_generator_of_its_own_draws_the_same(tmp_path):
    watched(tmp_path, data=lambda: (loader(Drawing()), loader(Drawing())))


def test_no_dataset_is_read_but_by_the_trainer(tmp_path):
    path = tmp_path / "rows"
    path.write_bytes(bytes(np.random.default_rng(0).integers(2, len(WORDS), 64 * 8).tolist()))
    sets = []

    def data():
        sets.append((Opening(path), Opening(path)))
        return tuple(loader(each, num_workers=1) for each in sets[-1])

    watched(tmp_path, data=data, epochs=1)
    assert [each.file for pair in sets for each in pair] == [None] * 4


class Shrinking(Tiny):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(WORDS), 16, padding_idx=0, max_norm=0.5)


def test_an_embedding_that_renorms_its_rows_in_the_forward_pass_trains_the_same(tmp_path):
    watched(tmp_path, model=Shrinking)


class Meter:
    total = 0.0

    def __init__(self):
        self.seen = []

    def update(self, value):
        self.seen.append(value)
        Meter.total += value


class Remembering(Tiny):
    """Spells its model out in the step, so that it is the step that has to be replayed."""

    def __init__(self):
        super().__init__()
        self.by_name = collections.defaultdict(list)
        self.last = collections.deque(maxlen=3)
        self.counts = collections.Counter()
        self.sums = np.zeros(2)
        self.meter = Meter()
        self.own = {"generator": np.random.default_rng(1), "coin": random.Random(2)}
        self.turn = itertools.count()
        self.history = []

    def validation_step(self, batch, index):
        states = self.encoder(self.embed(batch[0]), src_key_padding_mask=batch[0] == 0)
        loss = float(F.cross_entropy(self.classify(self.norm(states[:, 0])), batch[1]))
        self.by_name[f"batch {index}"].append(loss)
        self.last.append(loss)
        self.counts["batches"] += 1
        self.sums += loss
        self.meter.update(loss)
        self.own["generator"].random()
        self.own["coin"].random()
        next(self.turn)
        rows = self.trainer.val_dataloaders.dataset
        rows.turns = getattr(rows, "turns", 0) + 1
        self.log("val_loss", loss)
        with (Path(self.trainer.default_root_dir) / "predictions.txt").open("a") as file:
            file.write(f"{loss}\n")

    def on_validation_end(self):
        drawn = self.own["generator"].bit_generator.state["state"], self.own["coin"].getstate()
        state = [dict(self.by_name), list(self.last), dict(self.counts), self.sums.tolist()]
        lines = (Path(self.trainer.default_root_dir) / "predictions.txt").read_text()
        turns = [repr(self.turn), self.trainer.val_dataloaders.dataset.turns]
        self.history.append(
            json.dumps([state, self.meter.seen, Meter.total, str(drawn), turns, lines])
        )


def test_what_a_validation_step_remembers_draws_and_writes_is_as_without_the_monitor(tmp_path):
    histories = []
    # To every callback Lightning hangs methods of the model, a second way to whatever it holds.
    for folder, callbacks in (("plain", ()), ("watched", (monitor(), L.Callback()))):
        Meter.total = 0.0
        run, model, _ = train(tmp_path / folder, *callbacks, model=Remembering)
        histories.append(model.history)
    assert histories[0] == histories[1]
    recording = open_run(run.logger.log_dir)
    put_back = recording.untouched(8).put_back
    assert "model.by_name" in str(put_back)
    assert {name.partition(".")[0] for name in put_back} == {"model", "Meter", "val_dataloaders"}
    assert "training untouched: checked at 3 steps" in describe(recording)


class Swapping(L.Callback):
    """Doubles the weights for each validation, by hooks of its own."""

    def scale(self, module, factor):
        for parameter in module.parameters():
            parameter.data *= factor

    def on_validation_start(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.scale(pl_module, 2.0)

    def on_validation_epoch_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.scale(pl_module, 0.5)


class SwapsItself(Tiny):
    """Doubles its weights for each validation, by its own hooks, which follow all callbacks'."""

    def on_validation_start(self):
        Swapping().on_validation_start(self.trainer, self)

    def on_validation_end(self):
        Swapping().on_validation_epoch_end(self.trainer, self)


@pytest.mark.parametrize(
    ("make", "first", "model"),
    [
        (Swapping, True, Tiny),
        (Swapping, False, Tiny),
        (lambda: EMAWeightAveraging(decay=0.9), True, Tiny),
        (lambda: EMAWeightAveraging(decay=0.9), False, Tiny),
        (L.Callback, True, SwapsItself),
    ],
)
def test_weights_that_are_lent_for_a_validation_are_those_that_are_recorded(
    make, first, model, tmp_path
):
    validated = {}

    class Noting(L.Callback):
        def on_validation_batch_end(self, trainer, pl_module, *_):
            state = {name: value.clone() for name, value in pl_module.state_dict().items()}
            validated[trainer.global_step] = state

    watching, swapping = monitor(), make()
    order = [watching, swapping] if first else [swapping, watching]
    run, *_ = train(tmp_path, *order, Noting(), model=model)
    recording = open_run(run.logger.log_dir)
    assert [recording.untouched(step).lent for step in recording.steps] == [False, True, True]
    np.testing.assert_allclose(*embedded(recording, validated[4], 4), atol=2e-3)
    assert "weights that were in place for the validation only" in describe(recording)


class Stopping(L.Callback):
    def on_validation_end(self, trainer, pl_module):  # noqa: ARG002
        trainer.should_stop = trainer.current_epoch == 1


@pytest.mark.parametrize(
    ("extra", "options", "steps"),
    [
        (tuple, {"max_steps": 16, "epochs": -1}, [0, 12, 16]),
        (tuple, {"max_steps": 10, "epochs": -1}, [0, 8]),
        (tuple, {"check_val_every_n_epoch": 2, "epochs": 5}, [0, 16]),
        (tuple, {"val_check_interval": 3, "epochs": 3}, [0, 3, 11]),
        (lambda: [Stopping()], {"epochs": 9}, [0, 8]),
    ],
)
def test_the_last_validation_is_recorded_whatever_ended_the_training(
    extra, options, steps, tmp_path
):
    watching = monitor(every_n_epochs=3)
    recording, _ = watched(tmp_path, extra=extra, watching=watching, **options)
    assert list(recording.steps) == steps


def test_a_second_training_or_validation_in_one_directory_leaves_the_first_recording(tmp_path):
    logs = tmp_path / "lightning_logs" / "version_0"
    for seed in (1, 2):
        run = trainer(
            tmp_path,
            monitor(seed=seed),
            logger=L.pytorch.loggers.TensorBoardLogger(tmp_path, version=0),
        )
        run.fit(Tiny(), *loaders())
    for _ in range(2):
        run.validate(Tiny(), loaders()[1], verbose=False)
    kept = [
        open_run(path) for path in (logs, logs / "fit_2", logs / "validate", logs / "validate_2")
    ]
    assert [list(recording.steps) for recording in kept] == [[0, 4, 8]] * 2 + [[8]] * 2
    assert [recording.options["seed"] for recording in kept] == [1, 2, 2, 2]
