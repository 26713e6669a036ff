"""Trainings made at random: modules that keep state of every kind and let it into their losses."""

from __future__ import annotations

import array
import collections
import dataclasses
import itertools
import random
from pathlib import Path

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset
from torchmetrics import MeanMetric

WORDS, WIDTH, TOKENS = 11, 8, 4
GLOBAL = {"turns": 0}


class Helper:
    shared = 0

    def __init__(self):
        self.seen, self.inner = [], {"last": None}


class Slotted:
    __slots__ = ("count", "values")

    def __init__(self):
        self.count, self.values = 0, []


@dataclasses.dataclass
class Totals:
    value: float = 0.0
    history: list = dataclasses.field(default_factory=list)


def closure():
    total = 0

    def add(value):
        nonlocal total
        total += value
        return total

    return add


class Counting(dict):
    """A dict with a method and an attribute of its own."""

    def __init__(self):
        super().__init__()
        self.updates = 0

    def add(self, key):
        self[key] = self.get(key, 0) + 1
        self.updates += 1
        return self.updates


# How state of each kind is made, and what a step does to it: a number that the loss depends on.
STATE = {
    "defaultdict": (
        lambda: collections.defaultdict(list),
        lambda s, x: s["loss"].append(x) or len(s["loss"]),
    ),
    "deque": (lambda: collections.deque([1.0], maxlen=3), lambda s, x: s.append(x) or sum(s)),
    "counter": (collections.Counter, lambda s, _: s.update("ab") or s["a"]),
    "ordered": (collections.OrderedDict, lambda s, x: s.update({len(s): x}) or len(s)),
    "own dict": (Counting, lambda s, _: s.add("a")),
    "set": (lambda: {0}, lambda s, _: s.add(len(s)) or len(s)),
    "list in a tuple": (lambda: ([1.0], {}), lambda s, x: s[0].append(x) or len(s[0])),
    "array": (lambda: np.zeros(2), lambda s, _: float(np.add(s, 1, out=s)[0])),
    "bytes": (lambda: bytearray(2), lambda s, _: s.extend(b"x") or len(s)),
    "typed array": (lambda: array.array("d", [1]), lambda s, x: s.append(x) or len(s)),
    "helper": (
        Helper,
        lambda s, x: s.seen.append(x) or s.inner.update(last=x) or len(s.seen),
    ),
    "class attribute": (
        Helper,
        lambda _, __: setattr(Helper, "shared", Helper.shared + 1) or Helper.shared,
    ),
    "slots": (Slotted, lambda s, x: s.values.append(x) or len(s.values)),
    "dataclass": (Totals, lambda s, x: s.history.append(x) or len(s.history)),
    "closure": (closure, lambda s, _: s(1)),
    "global": (dict, lambda _, __: GLOBAL.update(turns=GLOBAL["turns"] + 1) or GLOBAL["turns"]),
    "metric": (
        lambda: {"mean": MeanMetric()},
        lambda s, x: s["mean"].update(x) or float(s["mean"].compute()),
    ),
    "tensors": (lambda: {"sum": torch.zeros(2)}, lambda s, _: float(s["sum"].add_(1)[0])),
    "large tensor": (lambda: [torch.zeros(20_000)], lambda s, _: float(s[0].add_(1)[7])),
    "torch generator": (
        lambda: torch.Generator().manual_seed(1),
        lambda s, _: float(torch.rand(1, generator=s)),
    ),
    "numpy generator": (lambda: np.random.default_rng(1), lambda s, _: s.random()),
    "old numpy generator": (
        lambda: np.random.RandomState(1),  # people have them
        lambda s, _: s.rand(),
    ),
    "python generator": (lambda: random.Random(1), lambda s, _: s.random()),
    "torch's random state": (dict, lambda _, __: float(torch.rand(1))),
    "numpy's random state": (dict, lambda _, __: np.random.rand()),
    "count": (itertools.count, lambda s, _: next(s)),
    "iterator": (lambda: iter(range(10_000)), lambda s, _: next(s)),
    "cycle": (lambda: itertools.cycle([1, 2, 3]), lambda s, _: next(s)),
    "going generator": (lambda: (i for i in range(10_000)), lambda s, _: next(s)),
    "zipped": (lambda: zip(range(999), range(999), strict=True), lambda s, _: next(s)[0]),
    "reader": (
        lambda: iter(DataLoader(torch.arange(999.0), 1)),
        lambda s, _: float(next(s)),
    ),
}


class Stream(IterableDataset):
    """Goes on where it was left."""

    def __init__(self, rows):
        self.rows = itertools.cycle(rows)

    def __iter__(self):
        return itertools.islice(self.rows, 8)


class Drawing(Dataset):
    """Draws a row anew whenever one is asked for."""

    def __init__(self, rows):
        self.rows, self.generator = rows, torch.Generator().manual_seed(3)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        drawn = torch.randint(1, WORDS, (TOKENS,), generator=self.generator)
        return drawn, self.rows[index][1]


class Generated(L.LightningModule):
    """A Transformer of one layer; which state it keeps, where, and how it steps is drawn."""

    def __init__(self, draw: random.Random, folder: Path) -> None:
        super().__init__()
        self.kinds = draw.sample(sorted(STATE), draw.randint(1, 4))
        self.kept = [STATE[kind][0]() for kind in self.kinds]
        holders = [None if draw.random() < 0.5 else {"held": [each]} for each in self.kept]
        self.holder = dict(zip(self.kinds, holders, strict=True))
        for number, each in enumerate(self.kept):
            setattr(self, f"state_{number}", each)
        del self.kept
        self.folder = folder
        self.manual, self.spelled_out = draw.random() < 0.25, draw.random() < 0.6
        self.automatic_optimization = not self.manual
        self.writes = draw.choice(["nothing", "appends", "open file", "saves"])
        self.tampers = draw.choice([None, None, "clamps", "renews buffer", "past torch", "moves"])
        renorm = draw.choice([None, None, 0.5])
        self.embed = nn.Embedding(WORDS, WIDTH, padding_idx=0, max_norm=renorm)
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 8, dropout=0.3, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.norm = draw.choice([nn.BatchNorm1d, nn.LayerNorm])(WIDTH)
        self.classify = nn.Linear(WIDTH, 2)
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("wide", torch.ones(20_000), persistent=False)
        self.losses, self.batches = [], []
        self.optimizer = draw.choice(["sgd", "adam", "plateau"])
        if draw.random() < 0.4:
            self.classify.register_forward_hook(self.after)
        if draw.random() < 0.3:
            self.encoder.register_forward_pre_hook(lambda *_: self.scale.mul_(1.01) and None)
        if self.writes == "open file":
            self.file = (folder / "open.txt").open("w")

    def after(self, module, inputs, output):  # noqa: ARG002
        if not hasattr(self, "passes"):
            self.passes = 0
        self.passes += 1
        return output * (1 + 1e-3 * self.passes)

    def answer(self, ids):
        states = self.encoder(self.embed(ids))
        return self.classify(self.norm(states[:, 0]))

    forward = answer

    def step(self, batch):
        ids, labels = batch
        self.batches.append(ids.tolist())
        # `answer` is no module call: then it is the whole step that is replayed.
        scores = self.answer(ids) if self.spelled_out else self(ids)
        loss = F.cross_entropy(scores * self.scale, labels)
        factor = 0.0
        for number, kind in enumerate(self.kinds):
            state = getattr(self, f"state_{number}")
            factor += float(STATE[kind][1](state, float(loss)))
        self.losses.append(float(loss))
        return loss * (1 + 1e-3 * factor)

    def training_step(self, batch, _):
        loss = self.step(batch)
        if self.manual:
            optimizer = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            return None
        return loss

    def validation_step(self, batch, _):
        loss = self.step(batch)
        self.tamper()
        line = f"{float(loss):.9f}\n"
        if self.writes == "appends":
            with (self.folder / "appended.txt").open("a") as file:
                file.write(line)
        elif self.writes == "open file":
            self.file.write(line)
        elif self.writes == "saves":
            torch.save(loss, self.folder / "last.pt")
        self.log("val_loss", loss)
        return {"loss": loss}

    def tamper(self):
        if self.tampers == "clamps":
            self.classify.weight.data.clamp_(-0.2, 0.2)
        elif self.tampers == "renews buffer":
            self.scale = self.scale * 1.01
        elif self.tampers == "past torch":
            self.wide.numpy()[:] += 1
            self.scale.mul_(self.wide[0] / (self.wide[0] + 1))
        elif self.tampers == "moves":
            self.classify.weight.data = self.classify.weight.data.clone() * 0.99

    def configure_optimizers(self):
        if self.optimizer == "adam":
            return torch.optim.Adam(self.parameters(), 1e-2)
        optimizer = torch.optim.SGD(self.parameters(), 1e-1, momentum=0.5)
        if self.optimizer == "sgd" or self.manual:
            return optimizer
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"},
        }


class OwnHooks(L.Callback):
    """A user's callback with a memory, that nudges the training."""

    def __init__(self):
        self.seen = []

    def on_validation_batch_end(self, trainer, module, outputs, *_):  # noqa: ARG002
        self.seen.append(float(outputs["loss"]))

    def on_train_batch_start(self, trainer, module, *_):  # noqa: ARG002
        module.classify.bias.data += 1e-3 * len(self.seen)


def data(draw: random.Random):
    rows = [
        (torch.tensor([draw.randrange(1, WORDS) for _ in range(TOKENS)]), draw.randrange(2))
        for _ in range(16)
    ]
    made = draw.choice([lambda some: some, Stream, Drawing])
    train, val = made(rows[:8]), made(rows[8:])
    return DataLoader(train, 4, shuffle=isinstance(train, list)), DataLoader(val, 4)


def run(seed: int, folder: Path, *callbacks: L.Callback, **trainer_options: object):
    """Train module number ``seed``; return it, and everything that the training ended with."""
    folder.mkdir(parents=True)
    GLOBAL["turns"] = Helper.shared = 0
    draw = random.Random(seed)
    L.seed_everything(seed, verbose=False)
    module, loaders = Generated(draw, folder), data(draw)
    options = {
        "max_epochs": 2,
        "accumulate_grad_batches": 1 if module.manual else draw.choice([1, 1, 2]),
        "num_sanity_val_steps": draw.choice([0, 1, 2]),
        "val_check_interval": draw.choice([1.0, 1]),
        "reload_dataloaders_every_n_epochs": draw.choice([0, 1]),
        "logger": False,
        "accelerator": "cpu",
        "default_root_dir": str(folder),
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "enable_progress_bar": False,
        **trainer_options,
    }
    own = [OwnHooks()] if draw.random() < 0.5 else []
    first = draw.random() < 0.5
    L.Trainer(callbacks=[*own, *callbacks] if first else [*callbacks, *own], **options).fit(
        module, *loaders
    )
    if module.writes == "open file":
        module.file.close()
    written = {p.name: p.read_bytes() for p in sorted(folder.glob("*.*")) if p.is_file()}
    ended = {
        "losses": module.losses,
        "batches": module.batches,
        "weights": {k: v.numpy().tobytes() for k, v in module.state_dict().items()},
        # Not Python's own generator: the checks of types in tests draw from it.
        "random": (float(torch.rand(1)), float(np.random.rand())),
        "written": written,
        "own": [callback.seen for callback in own],
    }
    return module, ended
