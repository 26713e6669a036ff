"""Models made of every combination of what real ones do differently, each with its own truth.

A model notes, for every attention it computes, which ids stand in each row as it computed it, and
the weights; what a recording shows must be one of these, under these words, or say "unknown".
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

HEADS, WIDTH, VOCABULARY = 2, 8, 120
CHOICES = {
    "heads": ("axis", "sentence first", "head first", "modules", "fused", "library"),
    "batch_first": (True, False),
    "mask": ("none", "true is padding", "true is real", "one is real", "one is padding", "added"),
    "place": ("tuple", "mapping", "nested"),
    "stream": (
        "one",
        "called twice",
        "joined",
        "joined backwards",
        "interleaved",
        "called three times",
        "joined by three",
        "two towers",
    ),
    "rows": ("as they come", "backwards", "by length", "tokens backwards", "rolled"),
    "side": ("right", "left"),
    "shape": ((4, 6), (5, 5), (3, 7)),
}


@dataclass(frozen=True)
class Recipe:
    """One combination of choices."""

    heads: str
    batch_first: bool
    mask: str
    place: str
    stream: str
    rows: str
    side: str
    shape: tuple[int, int]


def recipes() -> Iterator[Recipe]:
    """Yield every combination."""
    for chosen in itertools.product(*CHOICES.values()):
        yield Recipe(*chosen)


@dataclass
class Truth:
    """What one attention call did: its layer, and per row of it the ids and the weights."""

    layer: int
    ids: Tensor
    weights: Tensor


class OneHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH // HEADS) for _ in range(3))

    def forward(self, x: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        scores = self.q(x) @ self.k(x).transpose(-1, -2)
        if hidden is not None:
            scores = scores.masked_fill(hidden[:, None], -torch.inf)
        weights = scores.softmax(-1)
        return weights @ self.v(x), weights


class Attention(nn.Module):
    """Self-attention over ``[sentence, token, width]`` in one of the layouts."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.out = nn.Linear(WIDTH, WIDTH)
        if kind == "modules":
            self.parts = nn.ModuleList(OneHead() for _ in range(HEADS))
        elif kind == "library":
            self.inner = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        else:
            self.qkv = nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, x: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.kind == "modules":
            made = [part(x, hidden) for part in self.parts]
            return self.out(torch.cat([m[0] for m in made], -1)), torch.stack(
                [m[1] for m in made], 1
            )
        if self.kind == "library":
            mixed, weights = self.inner(
                x, x, x, key_padding_mask=hidden, average_attn_weights=False
            )
            return self.out(mixed), weights
        sentences, tokens, _ = x.shape
        q, k, v = self.qkv(x).chunk(3, -1)
        split = [t.view(sentences, tokens, HEADS, -1).transpose(1, 2) for t in (q, k, v)]
        if self.kind == "head first":
            split = [t.transpose(0, 1).reshape(HEADS * sentences, tokens, -1) for t in split]
        elif self.kind == "sentence first":
            split = [t.reshape(sentences * HEADS, tokens, -1) for t in split]
        q, k, v = split
        scores = q @ k.transpose(-1, -2)
        if hidden is not None:
            scores = scores.masked_fill(self._spread(hidden), -torch.inf)
        weights = scores.softmax(-1)
        if self.kind == "fused":
            seen = None if hidden is None else ~hidden[:, None, None]
            mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=1.0)
        else:
            mixed = weights @ v
        if self.kind == "head first":
            mixed, weights = (
                t.reshape(HEADS, sentences, *t.shape[1:]).transpose(0, 1) for t in (mixed, weights)
            )
        elif self.kind == "sentence first":
            mixed, weights = (t.reshape(sentences, HEADS, *t.shape[1:]) for t in (mixed, weights))
        return self.out(mixed.transpose(1, 2).reshape(sentences, tokens, WIDTH)), weights

    def _spread(self, hidden: Tensor) -> Tensor:
        if self.kind == "head first":
            return hidden.repeat(HEADS, 1)[:, None]
        if self.kind == "sentence first":
            return hidden.repeat_interleave(HEADS, 0)[:, None]
        return hidden[:, None, None]


class Generated(nn.Module):
    """Two layers after one recipe."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.recipe = recipe
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.place = nn.Embedding(16, WIDTH)
        self.layers = nn.ModuleList(Attention(recipe.heads) for _ in range(2))
        if recipe.stream == "two towers":
            self.others = nn.ModuleList(Attention(recipe.heads) for _ in range(2))
        self.truth: list[Truth] = []
        self.noting = True

    def encode(self, ids: Tensor, hidden: Tensor | None, tower: str = "layers") -> Tensor:
        ids, hidden = self._reordered(ids, hidden)
        tokens = torch.arange(ids.shape[1], device=ids.device)
        if self.recipe.batch_first:
            x = self.embed(ids) + self.place(tokens)
        else:
            x = (self.embed(ids.T) + self.place(tokens)[:, None]).transpose(0, 1)
        for number, layer in enumerate(getattr(self, tower)):
            mixed, weights = layer(x, hidden)
            x = nn.functional.layer_norm(x + mixed, (WIDTH,))
            if self.noting:
                self.truth.append(Truth(number, ids.clone(), weights.detach().clone()))
        return x.mean(1)

    def _reordered(self, ids: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor | None]:
        rows = self.recipe.rows
        if rows == "tokens backwards":
            return ids.flip(1), None if hidden is None else hidden.flip(1)
        order = torch.arange(len(ids), device=ids.device)
        if rows == "backwards":
            order = order.flip(0)
        elif rows == "rolled":
            order = order.roll(1)
        elif rows == "by length":
            order = (ids != 0).sum(1).argsort(descending=True, stable=True)
        return ids[order], None if hidden is None else hidden[order]

    def forward(self, texts: list[Tensor], hidden: list[Tensor | None]) -> Tensor:
        stream = self.recipe.stream
        if stream == "two towers":
            pairs = zip(texts, hidden, ("layers", "others"), strict=True)
            return sum((self.encode(*pair) for pair in pairs), torch.zeros(()))
        if stream in {"one", "called twice", "called three times"}:
            pairs = zip(texts, hidden, strict=True)
            return sum((self.encode(*pair) for pair in pairs), torch.zeros(()))
        if stream == "joined backwards":
            texts, hidden = texts[::-1], hidden[::-1]

        def join(of: list[Tensor]) -> Tensor:
            if stream == "interleaved":
                return torch.stack(of, 1).flatten(0, 1)
            return torch.cat(of)

        masks = [h for h in hidden if h is not None]
        return self.encode(join(texts), join(masks) if masks else None)


@dataclass
class Case:
    """A model, the batch it reads, and how it reads it."""

    recipe: Recipe
    model: Generated = field(init=False)
    batch: object = field(init=False)

    def __post_init__(self) -> None:
        recipe = self.recipe
        self.model = Generated(recipe).eval()
        draw = torch.Generator().manual_seed(1)
        sentences, width = recipe.shape
        many = texts_of(recipe)
        words = 1 + torch.randperm(VOCABULARY - 1, generator=draw)[: many * sentences * width]
        texts = list(words.reshape(many, sentences, width))
        for text in texts:
            for row in range(1, sentences):
                if recipe.mask != "none":
                    pads = 1 + row % (width - 2)
                    right = recipe.side == "right"
                    text[row, slice(width - pads, None) if right else slice(pads)] = 0
        self.batch = self._batch(texts)

    def _mask(self, ids: Tensor) -> Tensor:
        real = ids != 0
        return {
            "true is padding": ~real,
            "true is real": real,
            "one is real": real.long(),
            "one is padding": (~real).long(),
            "added": torch.zeros(ids.shape).masked_fill(~real, -torch.inf),
        }[self.recipe.mask]

    def _batch(self, texts: list[Tensor]) -> object:
        masks = [] if self.recipe.mask == "none" else [self._mask(ids) for ids in texts]
        names = ["anchor", "positive", "negative"][: len(texts)]
        if self.recipe.place == "tuple":
            pairs = [(ids, *masks[at : at + 1]) for at, ids in enumerate(texts)]
            return (*itertools.chain(*pairs), torch.zeros(len(texts[0])))
        if self.recipe.place == "mapping":
            first = {"input_ids": texts[0], **({"mask": masks[0]} if masks else {})}
            for at, name in list(enumerate(names))[1:]:
                first[f"{name}_ids"] = texts[at]
                if masks:
                    first[f"{name}_mask"] = masks[at]
            return first
        return {
            name: {"input_ids": texts[at], **({"mask": masks[at]} if masks else {})}
            for at, name in enumerate(names)
        }

    def replay(self, batch: object) -> object:
        """Run the model on the batch."""
        found = list(_leaves(batch))
        step = 1 if self.recipe.mask == "none" else 2
        many = texts_of(self.recipe)
        texts = [found[step * at] for at in range(many)]
        hidden = [None if step == 1 else self._hidden(found[2 * at + 1]) for at in range(many)]
        return self.model(texts, hidden)

    def _hidden(self, mask: Tensor) -> Tensor:
        if self.recipe.mask == "added":
            return mask < 0
        return mask.bool() if "padding" in self.recipe.mask else ~mask.bool()


def texts_of(recipe: Recipe) -> int:
    """Return how many texts a step reads."""
    return 1 if recipe.stream == "one" else 3 if "three" in recipe.stream else 2


def _leaves(batch: object) -> Iterator[Tensor]:
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, dict):
        for value in batch.values():
            yield from _leaves(value)
    elif isinstance(batch, (tuple, list)):
        for value in batch:
            yield from _leaves(value)
