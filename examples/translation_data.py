"""Pairs of sentences as batches: word pieces learned from the training pairs, padded by length."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from catalogues import PACKAGES, Pair, download, read_wheels
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

PAD, UNKNOWN, START, END = range(4)
SPECIAL = ["[PAD]", "[UNK]", "<s>", "</s>"]

Batch = dict[str, Tensor]


def load_pairs(data: Path | None, cache: Path, *, small: bool = False) -> list[Pair]:
    """Return the pairs of a tab-separated file, or of the catalogues."""
    if data is None:
        wanted = PACKAGES[:1] if small else PACKAGES
        return read_wheels(download(cache, wanted))
    with data.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return list({row[0]: (row[0], row[1]) for row in rows if len(row) >= 2}.values())


class Pieces:
    """Word pieces of both languages as ids and back: what the monitor takes as `tokens=`."""

    def __init__(self, pairs: list[Pair], *, size: int) -> None:
        self.pad_id = PAD
        self.tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
        self.tokenizer.normalizer = normalizers.NFC()
        self.tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
        )
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=SPECIAL, show_progress=False, min_frequency=2
        )
        self.tokenizer.train_from_iterator((text for pair in pairs for text in pair), trainer)

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    def __call__(self, ids: list[int]) -> list[str]:
        return [self.tokenizer.id_to_token(i) for i in ids]

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def decode(self, ids: list[int]) -> str:
        """Return the text up to the end mark."""
        words = ids[: ids.index(END)] if END in ids else ids
        return "".join(self(words)).replace("▁", " ").strip()


class Pairs(Dataset[tuple[list[int], list[int]]]):
    def __init__(self, pairs: list[Pair], pieces: Pieces) -> None:
        self.texts = pairs
        self.encoded = [(pieces.encode(a), pieces.encode(b)) for a, b in pairs]

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, index: int) -> tuple[list[int], list[int]]:
        return self.encoded[index]


def collate(samples: list[tuple[list[int], list[int]]]) -> Batch:
    """Pad both sides; the decoder reads from the start mark on and answers up to the end mark."""

    def padded(rows: list[list[int]]) -> Tensor:
        tensors = [torch.tensor(row) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=PAD)

    return {
        "input_ids": padded([source for source, _ in samples]),
        "decoder_input_ids": padded([[START, *target] for _, target in samples]),
        "labels": padded([[*target, END] for _, target in samples]),
    }


class SimilarLengths(Sampler[list[int]]):
    """Batches of sentences about as long as each other, in a new order every epoch."""

    def __init__(self, lengths: list[int], batch_size: int, *, pool: int = 20) -> None:
        self.lengths = np.array(lengths)
        self.batch_size = batch_size
        self.pool = pool * batch_size
        self.random = np.random.default_rng(0)

    def __len__(self) -> int:
        return math.ceil(len(self.lengths) / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = self.random.permutation(len(self.lengths))
        pools = [order[i : i + self.pool] for i in range(0, len(order), self.pool)]
        ranked = np.concatenate([pool[np.argsort(self.lengths[pool])] for pool in pools])
        starts = range(0, len(ranked), self.batch_size)
        for i in self.random.permutation(len(starts)):
            start = starts[i]
            yield ranked[start : start + self.batch_size].tolist()


@dataclass(frozen=True)
class TranslationData:
    pieces: Pieces
    train: DataLoader
    val: DataLoader
    test: DataLoader
    test_pairs: list[Pair]


def translation_data(
    pairs: list[Pair], *, vocabulary: int, batch_size: int = 64, seed: int = 7
) -> TranslationData:
    """Hold out a tenth of the pairs, at most 500 to validate and 500 to test."""
    order = np.random.default_rng(seed).permutation(len(pairs))
    shuffled = [pairs[i] for i in order]
    n = min(500, len(pairs) // 20)
    val, test, train = shuffled[:n], shuffled[n : 2 * n], shuffled[2 * n :]
    pieces = Pieces(train, size=vocabulary)
    training = Pairs(train, pieces)
    lengths = [len(source) + len(target) for source, target in training.encoded]
    sampler = SimilarLengths(lengths, batch_size)
    return TranslationData(
        pieces=pieces,
        train=DataLoader(training, batch_sampler=sampler, collate_fn=collate),
        val=DataLoader(Pairs(val, pieces), batch_size=batch_size, collate_fn=collate),
        test=DataLoader(Pairs(test, pieces), batch_size=batch_size, collate_fn=collate),
        test_pairs=test,
    )
