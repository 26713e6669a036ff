"""Attention written out by hand: the captured weights are the very tensor the model used."""

import math

import pytest
import torch
from capture_oracles import captured
from torch import nn

SENTENCES, TOKENS, WIDTH, HEADS = 3, 6, 16, 4
D_HEAD = WIDTH // HEADS


class HandWritten(nn.Module):
    """Projects, attends in the way given, projects back; keeps the weights it used as truth."""

    def __init__(self, attend, heads=HEADS):
        super().__init__()
        torch.manual_seed(0)
        self.n_head = heads
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.attend = attend
        self.truth = None

    def forward(self, x):
        q, k, v = self.query(x), self.key(x), self.value(x)
        mixed, self.truth = self.attend(q, k, v)
        return self.out(mixed)


def split(t):
    return t.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def merge(t):
    return t.transpose(1, 2).flatten(2)


def plain(q, k, v):
    weights = (split(q) @ split(k).transpose(-1, -2) / math.sqrt(D_HEAD)).softmax(-1)
    return merge(weights @ split(v)), weights


def einsum(q, k, v):
    q, k, v = (t.unflatten(-1, (HEADS, -1)) for t in (q, k, v))
    weights = torch.einsum("bqhd,bkhd->bhqk", q, k).softmax(-1)
    return torch.einsum("bhqk,bkhd->bqhd", weights, v).flatten(2), weights


def einsum_swapped(q, k, v):
    q, k, v = (t.unflatten(-1, (HEADS, -1)) for t in (q, k, v))
    weights = torch.einsum("bkhd,bqhd->bhkq", k, q).softmax(2)
    return torch.einsum("bkhd,bhkq->bqhd", v, weights).flatten(2), weights.transpose(-1, -2)


def flat(q, k, v):
    q, k, v = (split(t).flatten(0, 1) for t in (q, k, v))
    bias = torch.linspace(-1, 1, TOKENS).expand(SENTENCES * HEADS, TOKENS, TOKENS)
    weights = torch.baddbmm(bias, q, k.mT, alpha=0.5).softmax(-1)
    mixed = torch.bmm(weights, v).unflatten(0, (SENTENCES, HEADS))
    return merge(mixed), weights.unflatten(0, (SENTENCES, HEADS))


def alibi_softcap_sink(q, k, v):
    scores = split(q) @ split(k).mT
    scores = 5 * torch.tanh(scores / 5) - torch.arange(TOKENS).float()
    sink = torch.zeros(SENTENCES, HEADS, TOKENS, 1)
    weights = torch.cat([scores, sink], -1).float().softmax(-1)[..., :-1]
    return merge(weights @ split(v)), weights


def masked_fill(q, k, v):
    scores = split(q) @ split(k).mT
    later = torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1)
    weights = scores.masked_fill(later, torch.finfo(scores.dtype).min).softmax(-1)
    return merge(weights @ split(v)), weights


def talking_heads(q, k, v):
    mix = nn.Parameter(torch.eye(HEADS) + 0.1)
    scores = torch.einsum("bhqk,hg->bgqk", split(q) @ split(k).mT, mix)
    weights = torch.einsum("bhqk,hg->bgqk", scores.softmax(-1), mix)
    return merge(weights @ split(v)), weights


def exp_over_sum(q, k, v):
    scores = split(q) @ split(k).mT
    exponentials = torch.exp(scores - scores.amax(-1, keepdim=True))
    weights = exponentials / exponentials.sum(-1, keepdim=True)
    return merge(weights @ split(v)), weights


def sigmoid(q, k, v):
    weights = torch.sigmoid(split(q) @ split(k).mT)
    return merge(weights @ split(v)), weights


def one_head(q, k, v):
    weights = (q @ k.mT).softmax(-1)
    return weights @ v, weights[:, None]


FORMS = [
    plain,
    einsum,
    einsum_swapped,
    flat,
    alibi_softcap_sink,
    masked_fill,
    talking_heads,
    exp_over_sum,
    sigmoid,
]


def tokens():
    return torch.randn(SENTENCES, TOKENS, WIDTH, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("attend", FORMS)
def test_weights_are_the_models_own_tensor(attend):
    model = HandWritten(attend)
    attention = captured(model, tokens())
    (record,) = attention.records
    assert torch.equal(record.weights(), model.truth)
    assert record.evidence == "model"
    assert record.error == 0.0
    assert record.kind == "self"
    assert record.causal is (attend is masked_fill)
    assert torch.equal(record.output_projection, model.out.weight.T)
    query = split(model.query(tokens()))
    torch.testing.assert_close(record.query.abs().sum(), query.abs().sum())
    torch.testing.assert_close(record.value, split(model.value(tokens())).detach())


def test_a_single_head_and_an_unbatched_sentence_get_their_axes():
    model = HandWritten(one_head, heads=1)
    (record,) = captured(model, tokens()).records
    assert torch.equal(record.weights(), model.truth)
    (record,) = captured(model, tokens()[0]).records
    assert record.shape == (1, 1, TOKENS, TOKENS)


def test_linear_attention_has_no_weights_to_show():
    def linear(q, k, v):
        mixed = split(q).relu() @ (split(k).relu().mT @ split(v))
        return merge(mixed), None

    assert captured(HandWritten(linear), tokens()).records == []


def test_logit_max_is_taken_before_the_softmax():
    model = HandWritten(plain)
    (record,) = captured(model, tokens()).records
    scores = record.query @ record.key.mT / math.sqrt(D_HEAD)
    torch.testing.assert_close(record.logit_max(), scores.amax((-1, -2)))


def test_queries_before_rotary_positions_are_kept():
    angles = torch.arange(TOKENS)[:, None] / torch.arange(1, D_HEAD + 1)
    cos, sin = angles.cos(), angles.sin()

    def turned(t):
        half = torch.cat([-t[..., D_HEAD // 2 :], t[..., : D_HEAD // 2]], -1)
        return t * cos + half * sin

    def rotary(q, k, v):
        weights = (turned(split(q)) @ turned(split(k)).mT).softmax(-1)
        return merge(weights @ split(v)), weights

    model = HandWritten(rotary)
    (record,) = captured(model, tokens()).records
    torch.testing.assert_close(record.query_projected, split(model.query(tokens())).detach())
    torch.testing.assert_close(record.key_projected, split(model.key(tokens())).detach())
    torch.testing.assert_close(record.query, turned(record.query_projected))
    assert captured(HandWritten(plain), tokens()).records[0].query_projected is None
