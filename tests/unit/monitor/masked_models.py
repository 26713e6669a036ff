"""A small Transformer whose mask can be broken in every way that the audit is to find."""

import torch
from torch import nn
from torch.nn import functional as F

WORDS = 50
PAD = 0


class Block(nn.Module):
    def __init__(self, width=16, *, cross=False, norm=nn.LayerNorm):
        super().__init__()
        self.heads = 2
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.norm = norm(width)
        self.think = nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width))
        self.cross = cross

    def forward(self, x, mask, memory=None):
        read = x if memory is None else memory
        q, k, v = (
            f(y).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for f, y in ((self.q, x), (self.k, read), (self.v, read))
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        normed = self.norm(x.mT).mT if isinstance(self.norm, nn.BatchNorm1d) else self.norm(x)
        return x + self.think(normed)


class Masked(nn.Module):
    """Two layers; ``masks(layer, batch)`` returns what each may read, ``[sentence, 1, q, k]``."""

    def __init__(self, masks, *, norm=nn.LayerNorm, mix=None, pooled=None):
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(WORDS, 16)
        self.places = nn.Embedding(64, 16)
        self.layers = nn.ModuleList(Block(norm=norm) for _ in range(2))
        self.masks, self.mix, self.pooled = masks, mix, pooled
        self.answer = nn.Linear(16, WORDS)

    def forward(self, batch):
        ids = batch["input_ids"]
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        for at, layer in enumerate(self.layers):
            x = layer(x, self.masks(at, batch))
            if self.mix is not None:
                x = self.mix(x)
        return self.answer(x) if self.pooled is None else self.answer(self.pooled(x, batch))


def causal(batch, *, off=0):
    size = batch["input_ids"].shape[1]
    return torch.ones(size, size, dtype=torch.bool).tril(off)[None, None]


def padding(batch):
    return batch["attention_mask"].bool()[:, None, None]


def documents(batch):
    begins = batch["position_ids"] == 0
    of = begins.cumsum(1)
    return (of[:, :, None] == of[:, None])[:, None]


def sentences(*lengths, width=None, left=False):
    """Return a batch of random ids, padded."""
    width = width or max(lengths)
    torch.manual_seed(1)
    ids = torch.randint(3, WORDS, (len(lengths), width))
    mask = torch.zeros(len(lengths), width, dtype=torch.long)
    for row, length in enumerate(lengths):
        mask[row, slice(width - length, None) if left else slice(length)] = 1
    ids[mask == 0] = PAD
    return {"input_ids": ids, "attention_mask": mask}


def packed(*lengths, rows=2):
    """Return rows of several documents each, whose places start again."""
    batch = sentences(*[sum(lengths)] * rows)
    del batch["attention_mask"]
    places = torch.cat([torch.arange(length) for length in lengths])
    return batch | {"position_ids": places.expand(rows, -1)}
