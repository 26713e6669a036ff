"""Several attentions inside one module, added up, subtracted or joined: each shows its own map."""

import pytest
import torch
from capture_oracles import captured
from torch import nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention

from attn_monitor.capture import capture

WIDTH, HEADS, D_HEAD, TOKENS, OTHERS, SENTENCES = 16, 4, 4, 6, 9, 3


class Together(nn.Module):
    """Projections for two attentions; keeps the weights that were used."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.q, self.k, self.v, self.o, self.q2, self.k2, self.v2 = (
            nn.Linear(WIDTH, WIDTH) for _ in range(7)
        )
        self.true = []

    def heads(self, x):
        return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)

    def weights(self, q, k):
        self.true.append((q @ k.mT / D_HEAD**0.5).softmax(-1))
        return self.true[-1]

    def forward(self, x, others):
        self.true.clear()
        q, k, v = (self.heads(p(x)) for p in (self.q, self.k, self.v))
        mixed = self.mix(q, k, v, *(self.heads(p(others)) for p in (self.k2, self.v2)), x)
        return self.o(mixed.transpose(1, 2).flatten(2))


class Gated(Together):
    kinds = ["self", "cross"]

    def mix(self, q, k, v, k2, v2, _x):
        return self.weights(q, k) @ v + 0.5 * (self.weights(q, k2) @ v2)


class GatedFused(Together):
    kinds = ["self", "cross"]

    def mix(self, q, k, v, k2, v2, _x):
        self.weights(q, k), self.weights(q, k2)
        gate = torch.tanh(self.q2.weight[0, 0])
        both = [scaled_dot_product_attention(q, *pair) for pair in ((k, v), (k2, v2))]
        return both[0] + gate * both[1]


class Decoupled(Together):
    """A text and an image that are asked with the same queries, the latter's answer scaled."""

    kinds = ["cross", "cross"]

    def mix(self, q, _k, _v, k2, v2, _x):
        text, image = ((t[:, :, :5], t[:, :, 5:]) for t in (k2, v2))
        text, image = zip(text, image, strict=True)
        return self.weights(q, text[0]) @ text[1] + 0.7 * (self.weights(q, image[0]) @ image[1])


class DifferentialAcross(Together):
    kinds = ["cross", "cross"]

    def mix(self, q, _k, _v, k2, v2, x):
        first = self.weights(q, k2) @ v2
        return rms_norm(first - 0.3 * (self.weights(self.heads(self.q2(x)), k2) @ v2), (D_HEAD,))


class RowsAndColumns(Together):
    """Tokens of a grid, 2 by 3, that ask along their row and along their column."""

    kinds = ["self", "self"]

    def mix(self, q, k, v, _k2, _v2, _x):
        q, k, v = (t.unflatten(2, (2, 3)).permute(0, 2, 3, 1, 4) for t in (q, k, v))
        row = torch.einsum("bxyhd,bxzhd->bxhyz", q, k).softmax(-1)
        column = torch.einsum("bxyhd,bzyhd->byhxz", q, k).softmax(-1)
        self.true += [row.flatten(0, 1), column.flatten(0, 1)]
        along = torch.einsum("bxhyz,bxzhd->bxyhd", row, v)
        across = torch.einsum("byhxz,bzyhd->bxyhd", column, v)
        return (along + across).flatten(1, 2).transpose(1, 2)


class BlocksBeforeACache(Together):
    """Blocks of queries for what a cache holds and what is new: one map over both."""

    kinds = ["self"]

    def mix(self, q, k, v, k2, v2, _x):
        k, v = torch.cat([k2, k], 2), torch.cat([v2, v], 2)
        self.weights(q, k)
        return torch.cat([(b @ k.mT / D_HEAD**0.5).softmax(-1) @ v for b in q.split(2, 2)], 2)


class SentencesBeforeACache(Together):
    """The same, sentence by sentence."""

    kinds = ["self"]

    def mix(self, q, k, v, k2, v2, _x):
        k, v = torch.cat([k2, k], 2), torch.cat([v2, v], 2)
        self.weights(q, k)
        each = zip(q, k, v, strict=True)
        return torch.stack([(q @ k.mT / D_HEAD**0.5).softmax(-1) @ v for q, k, v in each])


class FewerKeys(Together):
    """Keys that are mixtures of all tokens: they stay the same text."""

    kinds = ["self"]

    def mix(self, q, k, v, _k2, _v2, _x):
        mixture = self.q2.weight[:3, :TOKENS]
        return self.weights(q, mixture @ k) @ (mixture @ v)


@pytest.mark.parametrize("form", Together.__subclasses__())
def test_each_attention_shows_the_weights_that_it_used(form):
    model, draw = form(), torch.Generator().manual_seed(5)
    x, others = (torch.randn(SENTENCES, n, WIDTH, generator=draw) for n in (TOKENS, OTHERS))
    attention = captured(model, x, others)
    assert [record.kind for record in attention.records] == form.kinds
    for record, true in zip(attention.records, model.true, strict=True):
        torch.testing.assert_close(record.weights(), true, atol=1e-6, rtol=0)
        assert record.evidence in {"model", "verified"}
    assert attention.gaps == ()


class OnePatternForAll(nn.Module):
    """Weights that are learned as they are, the same for every text."""

    def __init__(self):
        super().__init__()
        self.pattern, self.value = nn.Parameter(torch.randn(6, 6)), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return self.pattern.softmax(-1) @ self.value(x)


def test_a_learned_pattern_is_named():
    (gap,) = captured(OnePatternForAll(), torch.randn(3, 6, WIDTH)).gaps
    assert "a softmax over other things" in gap.reason


class Patches(nn.Module):
    """Patches of any length ask the bytes they are made of, which ask the patches afterwards."""

    def __init__(self):
        super().__init__()
        self.embed, self.width = nn.Embedding(16, 16), nn.Linear(16, 32)
        self.bytes, self.patches = (nn.MultiheadAttention(16, 2, batch_first=True) for _ in "12")
        self.asked, self.back = (nn.MultiheadAttention(16, 2, batch_first=True) for _ in "12")

    def forward(self, x, lengths):
        x = self.embed(x)
        x = x + self.bytes(x, x, x)[0]
        where = torch.arange(len(lengths)).repeat_interleave(lengths)[None, :, None].expand_as(x)
        patches = x.new_zeros(len(x), len(lengths), 16).scatter_reduce(
            1, where, x, reduce="amax", include_self=False
        )
        patches = self.width(patches).reshape(len(x), -1, 16)
        patches = patches + self.asked(patches, x, x)[0]
        patches = patches + self.patches(patches, patches, patches)[0]
        return x + self.back(x, patches, patches)[0]


@pytest.mark.parametrize("lengths", [[2, 4, 1], [1] * 7])
def test_patches_of_any_length_are_other_tokens_than_the_bytes_they_are_made_of(lengths):
    model = Patches()
    with torch.no_grad(), capture(model) as attention:
        model(torch.randint(0, 16, (2, 7)), torch.tensor(lengths))
    kinds = {record.module: record.kind for record in attention.records}
    assert kinds == {"bytes": "self", "asked": "cross", "patches": "self", "back": "cross"}
