"""A translator that trains in seconds: `nn.Transformer`, two vocabularies, another word order."""

from __future__ import annotations

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

NOUNS = ("cat", "dog", "house", "sea", "road", "tree")
ADJECTIVES = ("black", "small", "old", "green")
FRENCH = {
    "cat": "chat",
    "dog": "chien",
    "house": "maison",
    "sea": "mer",
    "road": "route",
    "tree": "arbre",
    "black": "noir",
    "small": "petit",
    "old": "vieux",
    "green": "vert",
    "the": "le",
}
ENGLISH = ("the", *ADJECTIVES, *NOUNS)
WORDS = ["[PAD]", "[BOS]", *ENGLISH, *(FRENCH[word] for word in ENGLISH)]
PAD, BOS = 0, 1

Batch = dict[str, Tensor]


def words(ids: list[int]) -> list[str]:
    return [WORDS[i] for i in ids]


words.pad_id = PAD  # type: ignore[attr-defined]


class Phrases(Dataset):
    """ "the black cat" becomes "le chat noir": adjectives change places."""

    def __init__(self, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)

        def draw(choices: tuple[str, ...]) -> str:
            return choices[int(torch.randint(len(choices), (1,), generator=generator))]

        self.rows: list[tuple[Tensor, Tensor]] = []
        for _ in range(count):
            source, target = [], []
            for _ in range(int(torch.randint(1, 4, (1,), generator=generator))):
                adjective, noun = draw(ADJECTIVES), draw(NOUNS)
                source += ["the", adjective, noun]
                target += [FRENCH["the"], FRENCH[noun], FRENCH[adjective]]
            ids = [torch.tensor([WORDS.index(word) for word in side]) for side in (source, target)]
            self.rows.append((ids[0], ids[1]))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.rows[index]


def collate(samples: list[tuple[Tensor, Tensor]]) -> Batch:
    source, target = (
        nn.utils.rnn.pad_sequence(list(side), batch_first=True, padding_value=PAD)
        for side in zip(*samples, strict=True)
    )
    shifted = torch.cat([torch.full((len(target), 1), BOS), target[:, :-1]], dim=1)
    return {"input_ids": source, "decoder_input_ids": shifted, "labels": target}


class Translator(L.LightningModule):
    """Two encoder and two decoder layers of two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(WORDS), 16, padding_idx=PAD)
        self.place = nn.Embedding(16, 16)
        self.transformer = nn.Transformer(16, 2, 2, 2, 32, dropout=0.0, batch_first=True)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        length = target.shape[1]
        states = self.transformer(
            self._embedded(source),
            self._embedded(target),
            tgt_mask=torch.ones(length, length, dtype=torch.bool).triu(1),
            src_key_padding_mask=source == PAD,
            memory_key_padding_mask=source == PAD,
            tgt_is_causal=True,
        )
        return states @ self.embed.weight.T

    def _embedded(self, ids: Tensor) -> Tensor:
        return self.embed(ids) + self.place(torch.arange(ids.shape[1]))

    def _loss(self, batch: Batch) -> Tensor:
        scores = self(batch["input_ids"], batch["decoder_input_ids"])
        return F.cross_entropy(scores.flatten(0, 1), batch["labels"].flatten(), ignore_index=PAD)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        return self._loss(batch)

    def validation_step(self, batch: Batch, _: int) -> None:
        self.log("val_loss", self._loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def loaders() -> tuple[DataLoader, DataLoader]:
    return (
        DataLoader(Phrases(128, seed=1), 16, shuffle=True, collate_fn=collate),
        DataLoader(Phrases(48, seed=2), 16, collate_fn=collate),
    )
