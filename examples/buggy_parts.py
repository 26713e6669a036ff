"""What the gallery of bugs is made of: toy sentences, and small models with a switch per bug."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

Task = Literal["next word", "packed", "previous word", "translation"]
Batch = dict[str, Tensor]

PAD, START = 0, 1
ENGLISH_FRENCH = {
    **{"the": "le", "a": "un", "and": "et", ".": "."},
    **{"old": "ancien", "white": "blanc", "black": "noir", "green": "vert", "small": "petit"},
    **{"cat": "chat", "dog": "chien", "tree": "arbre", "book": "livre", "friend": "ami"},
    **{"sees": "voit", "likes": "aime", "hides": "cache", "finds": "trouve"},
}
WORDS = ["[PAD]", "[CLS]", *ENGLISH_FRENCH, *(w for w in ENGLISH_FRENCH.values() if w != ".")]
IDS = {word: i for i, word in enumerate(WORDS)}


class Spelling:
    """Ids to words: what the monitor takes as `tokens=`."""

    pad_id = PAD

    def __call__(self, ids: list[int]) -> list[str]:
        return [WORDS[i] for i in ids]


@dataclass(frozen=True, kw_only=True)
class Switches:
    """A healthy model as it stands; every bug of the gallery is one of these turned."""

    causal: bool = False
    positions: bool = True
    scale: float | None = None  # of scores before softmax; None is 1 / sqrt(d_head)
    tied_heads: bool = False
    mask_padding: bool = True
    shuffled_targets: bool = False
    apart: bool = True  # of several sentences in a row
    learning_rate: float = 2e-3


def sentence(random: np.random.Generator) -> tuple[list[str], list[str]]:
    """Return an English sentence and its French, where adjectives stand behind their noun."""
    english: list[str] = []
    french: list[str] = []

    def say(*words: str) -> None:
        english.extend(words)
        french.extend(ENGLISH_FRENCH[word] for word in words)

    def pick(words: str) -> str:
        return str(random.choice(words.split()))

    def thing() -> None:
        say(pick("the a"))
        noun = pick("cat dog tree book friend")
        if random.random() < 0.6:
            adjective = pick("old white black green small")
            english.extend((adjective, noun))
            french.extend((ENGLISH_FRENCH[noun], ENGLISH_FRENCH[adjective]))
        else:
            say(noun)

    for clause in range(int(random.integers(1, 4))):
        if clause:
            say("and")
        thing()
        say(pick("sees likes hides finds"))
        thing()
    say(".")
    return english, french


class Sentences(Dataset[tuple[list[int], list[int]]]):
    """Sentences and what is asked about them, as ids."""

    def __init__(self, count: int, task: Task, *, shuffled: bool, seed: int) -> None:
        random = np.random.default_rng(seed)
        pairs = [sentence(random) for _ in range(count)]
        self.sources = [[IDS[word] for word in english] for english, _ in pairs]
        match task:
            case "translation":
                self.targets = [[IDS[word] for word in french] for _, french in pairs]
            case "next word" | "packed":
                self.targets = [[*ids[1:], PAD] for ids in self.sources]
            case "previous word":
                self.targets = [[PAD, *ids[:-1]] for ids in self.sources]
        if shuffled:
            self.targets = [self.targets[i] for i in random.permutation(count)]

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> tuple[list[int], list[int]]:
        return self.sources[index], self.targets[index]


def collate(samples: list[tuple[list[int], list[int]]], *, task: Task) -> Batch:
    def padded(rows: list[list[int]]) -> Tensor:
        tensors = [torch.tensor(row) for row in rows]
        return nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=PAD)

    if task == "packed":  # two sentences in a row, each with places of its own
        pairs = list(zip(samples[::2], samples[1::2], strict=False))
        places = [[*range(len(a[0])), *range(len(b[0]))] for a, b in pairs]
        samples = [(a[0] + b[0], a[1] + b[1]) for a, b in pairs]
    batch = {
        "input_ids": padded([source for source, _ in samples]),
        "labels": padded([target for _, target in samples]),
    }
    if task == "packed":
        batch["position_ids"] = padded(places)
    if task == "translation":
        batch["decoder_input_ids"] = padded([[START, *target[:-1]] for _, target in samples])
    return batch


class Attention(nn.Module):
    """Self-attention with three of the bugs in it."""

    def __init__(self, d_model: int, heads: int, switches: Switches) -> None:
        super().__init__()
        self.heads, self.switches = heads, switches
        self.size = d_model // heads
        # Tied: one head's queries, keys and values, handed out to all heads.
        width = self.size if switches.tied_heads else d_model
        self.query, self.key, self.value = (nn.Linear(d_model, width) for _ in range(3))
        self.merge = nn.Linear(d_model, d_model)

    def forward(self, states: Tensor, padding: Tensor, documents: Tensor | None = None) -> Tensor:
        query, key, value = (
            layer(states).unflatten(-1, (-1, self.size)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        if self.switches.tied_heads:
            query, key, value = (x.expand(-1, self.heads, -1, -1) for x in (query, key, value))
        length = states.shape[1]
        seen = torch.ones(length, length, dtype=torch.bool)
        if self.switches.causal:
            seen = seen.tril()
        visible = seen[None, None]
        if self.switches.mask_padding:
            visible = visible & ~padding[:, None, None]
        if documents is not None and self.switches.apart:
            visible = visible & (documents[:, :, None] == documents[:, None])[:, None]
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=visible, scale=self.switches.scale
        )
        return self.merge(mixed.transpose(1, 2).flatten(2))


class Reader(nn.Module):
    """Two layers of attention and feed-forward networks; answers with a word at every word."""

    def __init__(self, switches: Switches, *, d_model: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.switches = switches
        self.words = nn.Embedding(len(WORDS), d_model)
        self.places = nn.Embedding(40, d_model)
        self.attention = nn.ModuleList(Attention(d_model, heads, switches) for _ in range(2))
        self.think = nn.ModuleList(
            nn.Sequential(nn.Linear(d_model, 128), nn.ReLU(), nn.Linear(128, d_model))
            for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(4))
        self.answer = nn.Linear(d_model, len(WORDS))

    def forward(self, batch: Batch) -> Tensor:
        ids = batch["input_ids"]
        states = self.words(ids)
        places = batch.get("position_ids")
        documents = None if places is None else (places == 0).cumsum(1)
        if places is not None:
            states = states + self.places(places)
        elif self.switches.positions:
            states = states + self.places.weight[: ids.shape[1]]
        for layer, (attention, think) in enumerate(zip(self.attention, self.think, strict=True)):
            states = states + attention(self.norms[2 * layer](states), ids == PAD, documents)
            states = states + think(self.norms[2 * layer + 1](states))
        return self.answer(states)


class ToyTranslator(nn.Module):
    """`nn.Transformer` as it is."""

    def __init__(self, *, d_model: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.words = nn.Embedding(len(WORDS), d_model)
        self.places = nn.Embedding(40, d_model)
        self.transformer = nn.Transformer(d_model, heads, 2, 2, 128, 0.0, batch_first=True)
        self.answer = nn.Linear(d_model, len(WORDS))

    def forward(self, batch: Batch) -> Tensor:
        source, target = batch["input_ids"], batch["decoder_input_ids"]
        length = target.shape[1]
        states = self.transformer(
            self.words(source) + self.places.weight[: source.shape[1]],
            self.words(target) + self.places.weight[:length],
            tgt_mask=torch.ones(length, length, dtype=torch.bool).triu(1),
            src_key_padding_mask=source == PAD,
            memory_key_padding_mask=source == PAD,
        )
        return self.answer(states)


class Toy(L.LightningModule):
    """Training and validation of either model."""

    def __init__(self, task: Task, switches: Switches) -> None:
        super().__init__()
        self.learning_rate = switches.learning_rate
        self.model = ToyTranslator() if task == "translation" else Reader(switches)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        return self._loss(batch, "train")

    def validation_step(self, batch: Batch, _: int) -> None:
        self._loss(batch, "val")

    def _loss(self, batch: Batch, name: str) -> Tensor:
        answers = self.model(batch).flatten(0, 1)
        loss = F.cross_entropy(answers, batch["labels"].flatten(), ignore_index=PAD)
        self.log(f"{name}_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)
