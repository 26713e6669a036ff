"""``flex_attention`` against softmax written in float64."""

import pytest
import torch
from capture_oracles import captured, softmax_weights
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

SENTENCES, HEADS, TOKENS, D_HEAD = 2, 4, 6, 8
EXACT = 2e-7

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


class Flex(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, query, key, value):
        return flex_attention(query, key, value, **self.options)


def tensors(key_heads=HEADS):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(SENTENCES, HEADS, TOKENS, D_HEAD, generator=generator)
    key = torch.randn(SENTENCES, key_heads, TOKENS, D_HEAD, generator=generator)
    return query, key, torch.randn(key.shape, generator=generator)


def check(model, inputs, **truth):
    (record,) = captured(model, *inputs).records
    expected = softmax_weights(*inputs[:2], **truth)
    assert (record.weights() - expected).abs().max() <= EXACT
    part = record.weights([1], [2, 0], slice(1, 4))
    assert (part - expected[[1]][:, [2, 0]][:, :, 1:4]).abs().max() <= EXACT
    assert record.evidence == "verified"
    return record


def test_a_score_function_that_reads_a_tensor_is_followed():
    slopes = torch.linspace(0.1, 1.0, HEADS)
    positions = torch.arange(TOKENS)

    def alibi(score, sentence, head, query, key):
        return score + slopes[head] * (key - query) + sentence

    bias = slopes[:, None, None] * (positions[None, :] - positions[:, None])
    check(Flex(score_mod=alibi), tensors(), bias=bias)


def test_a_block_mask_hides_keys_and_a_row_without_keys_is_zero():
    def later_than_two(_sentence, _head, query, key):
        return (query >= key) & (query > 1)

    block_mask = create_block_mask(later_than_two, SENTENCES, HEADS, TOKENS, TOKENS, device="cpu")
    visible = torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril()
    visible[:2] = False
    record = check(Flex(block_mask=block_mask), tensors(), visible=visible)
    assert record.weights()[:, :, :2].abs().max() == 0
    assert record.causal


def test_grouped_queries_and_soft_cap():
    def soft_cap(score, _sentence, _head, _query, _key):
        return 2 * torch.tanh(score / 2)

    query, key, value = tensors(key_heads=2)
    (record,) = captured(Flex(score_mod=soft_cap, enable_gqa=True), query, key, value).records
    scores = query @ key.repeat_interleave(2, 1).mT * D_HEAD**-0.5
    expected = (2 * torch.tanh(scores / 2)).softmax(-1)
    assert (record.weights() - expected).abs().max() <= EXACT
    torch.testing.assert_close(record.logit_max(), (2 * torch.tanh(scores / 2)).amax((-1, -2)))


def test_a_whole_number_is_a_scale_too():
    (record,) = captured(Flex(scale=1), *tensors()).records
    expected = softmax_weights(*tensors()[:2], scale=1.0)
    assert (record.weights() - expected).abs().max() <= EXACT
