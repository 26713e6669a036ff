"""Tokens that are mixed beside the mask, or by a part of it: one head, a cache, a convolution."""

import pytest
import torch
from masked_models import Block, Masked, causal, documents, packed, padding, sentences
from torch import nn
from torch.nn import functional as F

from attn_monitor import audit_masks

SHORT, EVEN = sentences(9, 5, 12), sentences(12, 12, 12)
LEFT = sentences(9, 5, 12, left=True)
PACKED = packed(5, 7, 4)
LEARNED = 4


def both(_, batch):
    return causal(batch) & padding(batch)


def never_empty(mask):
    return mask | ~mask.any(-1, keepdim=True)


def of_two_heads(one, other):
    return lambda at, b: torch.cat(
        [never_empty(f(at, b)).expand(len(b["input_ids"]), 1, -1, -1) for f in (one, other)], 1
    )


class ByHand(nn.Module):
    """One layer of two heads; ``attend(q, k, v, batch)`` is all between its projections."""

    def __init__(self, attend):
        super().__init__()
        self.words, self.attend = nn.Embedding(50, 16), attend
        self.read, self.out = nn.Linear(16, 48), nn.Linear(16, 16)
        self.learned = nn.Parameter(torch.randn(2, 1, 2, LEARNED, 8))

    def forward(self, batch):
        x = self.words(batch["input_ids"])
        sides = (y.unflatten(-1, (2, 8)).transpose(1, 2) for y in self.read(x).chunk(3, -1))
        return x + self.out(self.attend(self, *sides, batch).transpose(1, 2).flatten(2))


def weighing(weigh):
    """Attend by ``weigh(scores, what may be read)``."""
    return lambda: ByHand(lambda _, q, k, v, b: weigh(q @ k.mT / 8**0.5, causal(b)) @ v)


def told(mask):
    return lambda: ByHand(
        lambda _, q, k, v, b: F.scaled_dot_product_attention(q, k, v, attn_mask=mask(b))
    )


def forgets_padding(_, q, k, v, __):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def with_learned_keys(off):
    def attend(model, q, k, v, _):
        k, v = (
            torch.cat([own.expand(len(q), -1, -1, -1), given], 2)
            for own, given in zip(model.learned, (k, v), strict=True)
        )
        mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril(LEARNED + off)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    return lambda: ByHand(attend)


def in_two_pieces(off):
    """The second half reads the cache of the first, ``off`` places too far."""

    def attend(_, q, k, v, __):
        half = q.shape[2] // 2
        first = F.scaled_dot_product_attention(*(x[:, :, :half] for x in (q, k, v)), is_causal=True)
        mask = torch.ones(q.shape[2] - half, q.shape[2], dtype=torch.bool).tril(half + off)
        second = F.scaled_dot_product_attention(q[:, :, half:], k, v, attn_mask=mask)
        return torch.cat([first, second], 2)

    return lambda: ByHand(attend)


class Mixing(nn.Module):
    """Adds to every token what a function of them all gives."""

    def __init__(self, mix):
        super().__init__()
        self.mix = mix

    def forward(self, x):
        return x + self.mix(x)


def mixed(mix, masks=both):
    return lambda: Masked(masks, mix=Mixing(mix()))


def convolution(cut):
    """Pad both sides, as Mamba does, and cut one of them off."""
    inner = nn.Conv1d(16, 16, 4, groups=16, padding=3)
    return lambda x: cut(inner(x.mT), x.shape[1]).mT


def recurrent(*, both_ways):
    inner = nn.LSTM(16, 8 if both_ways else 16, batch_first=True, bidirectional=both_ways)
    return lambda x: inner(x)[0]


def mean_so_far(x):
    return x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]


class Translator(nn.Module):
    """Its target reads a source, by the mask of one of them."""

    def __init__(self, name):
        super().__init__()
        self.words, self.name = nn.Embedding(50, 16), name
        self.read, self.write, self.cross = Block(), Block(), Block()

    def forward(self, batch):
        memory = self.read(self.words(batch["input_ids"]), padding(batch))
        size = batch["decoder_input_ids"].shape[1]
        later = torch.ones(size, size, dtype=torch.bool).tril()
        x = self.write(self.words(batch["decoder_input_ids"]), later)
        return self.cross(x, batch[self.name].bool()[:, None, None], memory)


SAME_WIDTH = SHORT | {
    "decoder_input_ids": EVEN["input_ids"],
    "decoder_attention_mask": EVEN["attention_mask"],
}
PLANTED = {
    # name: (a model that holds, one that does not, batch, what the user says, the broken rule)
    "one head's padding is turned round": (
        lambda: Masked(both),
        lambda: Masked(of_two_heads(both, lambda _, b: causal(b) & ~padding(b))),
        SHORT,
        "causal",
        "padding",
    ),
    "causal in one word, so that padding on the left is forgotten": (
        told(lambda b: never_empty(both(0, b))),
        lambda: ByHand(forgets_padding),
        LEFT,
        "causal",
        "padding",
    ),
    "documents are forgotten by one head": (
        lambda: Masked(lambda _, b: causal(b) & documents(b)),
        lambda: Masked(of_two_heads(lambda _, b: causal(b) & documents(b), lambda _, b: causal(b))),
        PACKED,
        "causal",
        "document",
    ),
    "documents are apart, but for a convolution": (
        lambda: Masked(lambda _, b: causal(b) & documents(b)),
        mixed(lambda: convolution(lambda y, t: y[..., :t]), lambda _, b: causal(b) & documents(b)),
        PACKED,
        "causal",
        "document",
    ),
    "learned keys move the mask": (
        with_learned_keys(0),
        with_learned_keys(1),
        EVEN,
        "causal",
        "future",
    ),
    "a cache moves the mask": (in_two_pieces(0), in_two_pieces(1), EVEN, "causal", "future"),
    "the source is masked by the target's padding": (
        lambda: Translator("attention_mask"),
        lambda: Translator("decoder_attention_mask"),
        SAME_WIDTH,
        None,
        "padding",
    ),
    "a window that is one too wide in one layer": (
        lambda: Masked(lambda _, b: causal(b) & ~causal(b, off=-4)),
        lambda: Masked(lambda at, b: causal(b) & ~causal(b, off=-4 - at)),
        sentences(14, 14),
        4,
        "window",
    ),
    "a norm over time": (
        lambda: Masked(both),
        mixed(lambda: lambda x: F.instance_norm(x.mT).mT),
        EVEN,
        "causal",
        "future",
    ),
    "a mean over time": (
        mixed(lambda: mean_so_far),
        mixed(lambda: lambda x: x.mean(1, keepdim=True)),
        EVEN,
        "causal",
        "future",
    ),
    "tokens are moved forward": (
        mixed(lambda: lambda x: F.pad(x[:, :-1], (0, 0, 1, 0))),
        mixed(lambda: lambda x: F.pad(x[:, 1:], (0, 0, 0, 1))),
        EVEN,
        "causal",
        "future",
    ),
    "a convolution that is cut at its beginning": (
        mixed(lambda: convolution(lambda y, t: y[..., :t])),
        mixed(lambda: convolution(lambda y, t: y[..., -t:])),
        EVEN,
        "causal",
        "future",
    ),
    "a recurrent layer reads both ways": (
        mixed(lambda: recurrent(both_ways=False)),
        mixed(lambda: recurrent(both_ways=True)),
        EVEN,
        "causal",
        "future",
    ),
    "masked after the softmax": (
        weighing(lambda s, may: s.masked_fill(~may, -torch.inf).softmax(-1)),
        weighing(lambda s, may: s.softmax(-1) * may),
        EVEN,
        "causal",
        "future",
    ),
    "masked by a score of zero": (
        weighing(lambda s, may: F.normalize(s.exp() * may, p=1, dim=-1)),
        weighing(lambda s, may: (s * may).softmax(-1)),
        EVEN,
        "causal",
        "future",
    ),
    "a softmax over queries": (
        weighing(lambda s, may: s.masked_fill(~may, -1e9).softmax(-1)),
        weighing(lambda s, may: s.masked_fill(~may, -1e9).softmax(-2)),
        EVEN,
        "causal",
        "future",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_mixed_beside_the_mask_is_found_and_what_is_not_is_no_leak(name):
    holds, leaks, batch, mask, rule = PLANTED[name]
    for make, wanted in ((holds, True), (leaks, False)):
        torch.manual_seed(0)
        audit = audit_masks(make(), batch, mask=mask, replay=lambda m, b: m(b))
        assert audit.holds is wanted, audit.sentence
        assert wanted or rule in {c.rule for c in audit.checks if c.leaks}, audit.sentence
