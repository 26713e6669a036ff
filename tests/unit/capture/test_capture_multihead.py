"""``nn.MultiheadAttention`` in all its options, against the weights it returns itself."""

import pytest
import torch
from capture_oracles import captured, error
from torch import nn

from attn_monitor.capture import capture

SENTENCES, QUERIES, KEYS, WIDTH, HEADS = 2, 5, 6, 16, 4
EXACT = 2e-7


class Attend(nn.Module):
    """Calls the attention with fixed arguments, as a block of a model would."""

    def __init__(self, attention, **call):
        super().__init__()
        self.attention = attention
        self.call = call

    def forward(self, query, key=None, value=None):
        key = query if key is None else key
        value = key if value is None else value
        return self.attention(query, key, value, **self.call)


def tensor(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def multihead(**options):
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(WIDTH, HEADS, **{"batch_first": True, **options})
    for parameter in attention.parameters():
        nn.init.normal_(parameter, std=0.3)
    return attention.eval()


def returned_weights(attention, *inputs, **call):
    with torch.no_grad():
        call = {**call, "need_weights": True, "average_attn_weights": False}
        return attention(*inputs, **call)[1]


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("mask", ["none", "padding", "causal", "float"])
def test_self_attention_equals_its_own_weights(need_weights, batch_first, mask):
    attention = multihead(batch_first=batch_first)
    x = tensor(SENTENCES, QUERIES, WIDTH)
    x = x if batch_first else x.transpose(0, 1)
    call = {
        "none": {},
        "padding": {"key_padding_mask": torch.arange(QUERIES)[None] >= torch.tensor([[5], [3]])},
        "causal": {"attn_mask": torch.ones(QUERIES, QUERIES, dtype=torch.bool).triu(1)},
        "float": {"attn_mask": tensor(QUERIES, QUERIES)},
    }[mask]
    if mask == "float":
        attention.train()  # the fused kernel reads any float as "hidden": test_capture_encoder
        model = Attend(attention, need_weights=need_weights, **call)
        seen = captured_in_training(model, x)
    else:
        seen = captured(Attend(attention, need_weights=need_weights, **call), x)
    truth = returned_weights(attention, x, x, x, **call)
    assert len(seen.records) == 1
    assert error(seen, truth) <= EXACT
    assert seen.records[0].kind == "self"
    assert seen.records[0].causal is (mask == "causal")
    assert seen.records[0].module == "attention"
    assert seen.records[0].module_type == "MultiheadAttention"
    assert seen.records[0].error <= 1e-5


def captured_in_training(model, *args):
    with capture(model) as attention:
        model(*args)
    assert attention.errors == []
    return attention


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"kdim": 10, "vdim": 12}, {"add_bias_kv": True, "add_zero_attn": True}]
)
def test_cross_attention_equals_its_own_weights(need_weights, options):
    attention = multihead(**options)
    query = tensor(SENTENCES, QUERIES, WIDTH)
    key = tensor(SENTENCES, KEYS, options.get("kdim", WIDTH))
    value = tensor(SENTENCES, KEYS, options.get("vdim", WIDTH)) if options else key
    seen = captured(Attend(attention, need_weights=need_weights), query, key, value)
    assert error(seen, returned_weights(attention, query, key, value)) <= EXACT
    assert seen.records[0].kind == "cross"
    assert seen.parts == ("cross",)


def test_unbatched_input_is_one_sentence():
    attention = multihead()
    x = tensor(QUERIES, WIDTH)
    seen = captured(Attend(attention, need_weights=False), x)
    assert error(seen, returned_weights(attention, x, x, x)[None]) <= EXACT


def test_output_projection_is_known():
    attention = multihead()
    x = tensor(SENTENCES, QUERIES, WIDTH)
    for need_weights in (False, True):
        for training in (False, True):
            attention.train(training)
            seen = captured_in_training(Attend(attention, need_weights=need_weights), x)
            assert torch.equal(seen.records[0].output_projection, attention.out_proj.weight.T)
