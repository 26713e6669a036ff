"""Attention as papers and tutorials also write it: without matrix products, divided afterwards…"""

import math

import pytest
import torch
from capture_oracles import assert_identical, captured
from test_capture_handwritten import D_HEAD, HEADS, SENTENCES, TOKENS, HandWritten, merge, split
from torch import nn

from attn_monitor.capture import capture
from attn_monitor.capture.lessons import Lesson


def parameter(*shape):
    return nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(3)))


def divided_after_the_product(q, k, v):
    scores = split(q) @ split(k).mT
    raised = torch.exp(scores - scores.amax(-1, keepdim=True))
    return merge((raised @ split(v)) / raised.sum(-1, keepdim=True)), scores.softmax(-1)


def values_with_a_column_of_ones(q, k, v):
    scores = split(q) @ split(k).mT
    summed = scores.exp() @ torch.cat([split(v), torch.ones(SENTENCES, HEADS, TOKENS, 1)], -1)
    return merge(summed[..., :-1] / summed[..., -1:]), scores.softmax(-1)


def running_maximum(q, k, v):
    """Key blocks as in FlashAttention: what was summed up so far is scaled again and again."""
    q, k, v = split(q), split(k), split(v)
    most = torch.full((*q.shape[:3], 1), -torch.inf)
    total, out = torch.zeros_like(most), torch.zeros_like(q)
    for first in range(0, TOKENS, 2):
        scores = q @ k[:, :, first : first + 2].mT
        new = torch.maximum(most, scores.amax(-1, keepdim=True))
        raised, scale = torch.exp(scores - new), torch.exp(most - new)
        total = total * scale + raised.sum(-1, keepdim=True)
        out, most = out * scale + raised @ v[:, :, first : first + 2], new
    return merge(out / total), (q @ k.mT).softmax(-1)


def powers_of_two(q, k, v):
    raised = torch.exp2(split(q) @ split(k).mT * math.log2(math.e))
    weights = raised / raised.sum(-1, keepdim=True)
    return merge(weights @ split(v)), weights


def in_place(q, k, v):
    weights = split(q) @ split(k).mT
    weights.sub_(weights.amax(-1, keepdim=True)).exp_()
    weights.div_(weights.sum(-1, keepdim=True))
    return merge(weights @ split(v)), weights


def best_keys(q, k):
    best, index = (split(q) @ split(k).mT).topk(3, -1)
    weights = best.softmax(-1)
    return weights, index, torch.zeros(*weights.shape[:3], TOKENS).scatter(-1, index, weights)


def gathered(v, index):
    every = split(v)[:, :, None].expand(-1, -1, TOKENS, -1, -1)
    return every.gather(3, index[..., None].expand(-1, -1, -1, -1, D_HEAD))


def best_keys_spread_out(q, k, v):
    weights = best_keys(q, k)[2]
    return merge(weights @ split(v)), weights


def best_keys_gathered(q, k, v):
    weights, index, true = best_keys(q, k)
    return merge((weights[..., None, :] @ gathered(v, index)).squeeze(-2)), true


def best_keys_gathered_and_summed(q, k, v):
    weights, index, true = best_keys(q, k)
    return merge((weights[..., None] * gathered(v, index)).sum(-2)), true


def sums_of_products(q, k, v):
    q, k, v = (t.unflatten(-1, (HEADS, -1)) for t in (q, k, v))  # heads last
    weights = (q[:, :, None] * k[:, None]).sum(-1).softmax(2)
    return (weights[..., None] * v[:, None]).sum(2).flatten(2), weights.permute(0, 3, 1, 2)


def distances_by_hand(q, k, v):
    apart = split(q)[:, :, :, None] - split(k)[:, :, None]
    weights = (-apart.square().sum(-1)).softmax(-1)
    return merge(weights @ split(v)), weights


def additive(q, k, v):
    together = torch.tanh(split(q)[:, :, :, None] + split(k)[:, :, None])
    weights = (together @ parameter(D_HEAD, 1)).squeeze(-1).softmax(-1)
    return merge(weights @ split(v)), weights


def latent_values(q, k, v):
    """Heads share what is asked and moved, and make of it what is theirs afterwards."""
    shared, own = v[..., :5], parameter(HEADS, D_HEAD, 5)
    asked = torch.einsum("bhqd,hdc->bhqc", split(q), own) @ shared[:, None].mT
    weights = (asked + split(q) @ k[:, None, :, :D_HEAD].mT).softmax(-1)
    moved = torch.einsum("bhqk,bkc->bhqc", weights, shared)
    return torch.einsum("bhqc,hdc->bqhd", moved, own).flatten(2), weights


def relative_values(q, k, v):
    apart = torch.arange(TOKENS)[:, None] - torch.arange(TOKENS) + TOKENS
    weights = (split(q) @ split(k).mT).softmax(-1)
    moved = torch.einsum("bhqk,qkd->bhqd", weights, parameter(2 * TOKENS, D_HEAD)[apart])
    return merge(weights @ split(v) + moved), weights


def head_by_head(q, k, v):
    heads = list(zip(*(split(t).unbind(1) for t in (q, k, v)), strict=True))
    weights = [(one @ other.mT).softmax(-1) for one, other, _ in heads]
    moved = [mine @ value for mine, (_, _, value) in zip(weights, heads, strict=True)]
    return torch.cat(moved, -1), torch.stack(weights, 1)


def token_by_token(q, k, v):
    q, k, v = split(q), split(k), split(v)
    rows, moved = [], []
    for at in range(TOKENS):
        row = torch.einsum("bhd,bhkd->bhk", q[:, :, at], k[:, :, : at + 1]).softmax(-1)
        moved.append(torch.einsum("bhk,bhkd->bhd", row, v[:, :, : at + 1]))
        rows.append(nn.functional.pad(row, (0, TOKENS - at - 1)))
    return merge(torch.stack(moved, 2)), torch.stack(rows, 2)


def complex_channels(q, k, v):
    q, k = (torch.view_as_complex(split(t).unflatten(-1, (-1, 2)).contiguous()) for t in (q, k))
    weights = (q @ k.mT.conj()).real.softmax(-1)
    return merge(weights @ split(v)), weights


def scores_under_a_convolution(q, k, v):
    scores = nn.functional.conv2d(split(q) @ split(k).mT, parameter(HEADS, HEADS, 3, 3), padding=1)
    weights = scores.softmax(-1)
    return merge(weights @ split(v)), weights


FORMS = (
    *(divided_after_the_product, values_with_a_column_of_ones, running_maximum, powers_of_two),
    *(in_place, best_keys_spread_out, best_keys_gathered, best_keys_gathered_and_summed),
    *(sums_of_products, distances_by_hand, additive, latent_values, relative_values),
    *(head_by_head, token_by_token, complex_channels, scores_under_a_convolution),
)


def tokens():
    return torch.randn(SENTENCES, TOKENS, 16, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("attend", FORMS)
def test_weights_are_captured_however_they_are_written(attend):
    model = HandWritten(attend)
    attention = captured(model, tokens())
    (record,) = attention.records
    torch.testing.assert_close(record.weights(), model.truth, atol=1e-6, rtol=0)
    assert record.evidence in {"model", "verified"}
    assert record.kind == "self"
    assert attention.gaps == ()
    if attend in {divided_after_the_product, values_with_a_column_of_ones, head_by_head}:
        assert torch.equal(record.query, split(model.query(tokens())))
        assert torch.equal(record.key, split(model.key(tokens())))
    if attend is not latent_values:  # its projection is one per head before the last
        assert torch.equal(record.output_projection, model.out.weight.T)


@pytest.mark.parametrize("attend", FORMS)
def test_training_is_untouched_and_a_second_pass_shows_the_same(attend):
    model, lesson, seen = HandWritten(attend).train(), Lesson(), []

    def gradients():
        model.zero_grad()
        model(tokens()).square().sum().backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    if attend is not in_place:
        plain = gradients()
        with capture(model):
            watched = gradients()
        assert_identical(plain, watched)
    for _ in range(2):
        with torch.no_grad(), capture(model, verify=False, lesson=lesson) as attention:
            model(tokens())
        assert attention.errors == []
        assert attention.difference == ""
        seen.append([record.weights() for record in attention.records])
    assert_identical(*seen)


def decayed(q, k, v):
    order = torch.arange(TOKENS)
    decay = 0.9 ** (order[:, None] - order).clamp(min=0) * (order[:, None] >= order)
    return merge((split(q) @ split(k).mT * decay) @ split(v)), None


def divided_by_sizes(q, k, v):
    scores = split(q) @ split(k).mT
    return merge((scores / scores.abs().sum(-1, keepdim=True)) @ split(v)), None


@pytest.mark.parametrize("attend", [decayed, divided_by_sizes])
def test_products_that_weigh_values_without_a_softmax_are_named(attend):
    attention = captured(HandWritten(attend), tokens())
    assert attention.records == []
    (gap,) = attention.gaps
    assert "no softmax over keys" in gap.reason


def the_best_key(q, k, v):
    best = (split(q) @ split(k).mT).argmax(-1, keepdim=True)
    return merge(split(v).gather(2, best.expand(-1, -1, -1, D_HEAD))), None


def test_picking_the_value_of_the_best_key_is_named():
    attention = captured(HandWritten(the_best_key), tokens())
    assert attention.records == []
    (gap,) = attention.gaps
    assert "picked" in gap.reason


class SentenceBySentence(HandWritten):
    """A loop over the batch, around all of it but the last projection."""

    def forward(self, x):
        done = [self.attend(self.query(one), self.key(one), self.value(one)) for one in x]
        self.truth = torch.stack([weights for _, weights in done])
        return self.out(torch.stack([mixed for mixed, _ in done]))


def of_one_sentence(q, k, v):
    q, k, v = (t.unflatten(-1, (HEADS, -1)).transpose(0, 1) for t in (q, k, v))
    weights = (q @ k.mT).softmax(-1)
    return (weights @ v).transpose(0, 1).flatten(1), weights


def test_a_loop_over_the_sentences_is_one_layer():
    model = SentenceBySentence(of_one_sentence)
    (record,) = captured(model, tokens()).records
    assert torch.equal(record.weights(), model.truth)
    assert torch.equal(record.weights([2, 0], [1]), model.truth[[2, 0]][:, [1]])
    assert (record.windows, record.evidence) == (1, "model")
    assert torch.equal(record.output_projection, model.out.weight.T)
    assert torch.equal(record.sources.query[2, 0], record.sources.key[2, 0])
