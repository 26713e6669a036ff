"""Keys that were computed in earlier passes: a cache by hand, or one that a model keeps."""

import pytest
import torch
import transformers
from torch import nn
from torch.nn.functional import pad, scaled_dot_product_attention

from attn_monitor.capture import capture

WIDTH, HEADS, LAYERS, MOST = 16, 2, 3, 12
PASSES = (5, 1, 1, 3)  # tokens in each: a text, two words, three more at once


def joined(cache, new, _at):
    return new if cache is None else torch.cat([cache, new], 2), None


def written_into_a_slice(cache, new, at):
    cache = _room(new) if cache is None else cache
    cache[:, :, at : at + new.shape[2]] = new
    return cache[:, :, : at + new.shape[2]], cache


def copied_to_an_index(cache, new, at):
    cache = _room(new) if cache is None else cache
    cache.index_copy_(2, torch.arange(at, at + new.shape[2]), new)
    return cache[:, :, : at + new.shape[2]], cache


def chosen_by_a_mask(cache, new, at):
    cache, end = _room(new) if cache is None else cache, at + new.shape[2]
    here = torch.zeros(MOST, 1, dtype=torch.bool)
    here[at:end] = True
    cache = torch.where(here, pad(new, (0, 0, at, MOST - end)), cache)
    return cache[:, :, :end], cache


def _room(new):
    return new.new_zeros(*new.shape[:2], MOST, new.shape[3])


class Cached(nn.Module):
    """Attention over what it keeps of earlier tokens and over new ones; remembers its weights."""

    def __init__(self, keep, *, fused):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.keep, self.fused, self.kept, self.true = keep, fused, (None, None), []

    def forward(self, x, at):
        heads = (p(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for p in (self.q, self.k, self.v))
        q, *new = heads
        (k, keys), (v, values) = (self.keep(c, n, at) for c, n in zip(self.kept, new, strict=True))
        self.kept = (k if keys is None else keys, v if values is None else values)
        seen = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril(at)
        weights = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen, -torch.inf).softmax(-1)
        self.true.append(weights)
        mixed = scaled_dot_product_attention(q, k, v, seen) if self.fused else weights @ v
        return self.o(mixed.transpose(1, 2).flatten(2))


class Decoder(nn.Module):
    def __init__(self, keep, *, fused):
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(50, WIDTH)
        self.layers = nn.ModuleList(Cached(keep, fused=fused) for _ in range(LAYERS))

    def forward(self, ids, at):
        x = self.words(ids)
        for layer in self.layers:
            x = x + layer(x, at)
        return x


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(
    "keep", [joined, written_into_a_slice, copied_to_an_index, chosen_by_a_mask]
)
def test_words_that_are_given_one_by_one_ask_their_own_text(keep, fused):
    """The kind of a later pass: its keys asked in passes that its queries know nothing of."""
    model, at = Decoder(keep, fused=fused).eval(), 0
    with torch.no_grad(), capture(model) as attention:
        for count in PASSES:
            model(torch.randint(50, (2, count)), at)
            at += count
    assert attention.errors == []
    assert {record.kind for record in attention.records} == {"self"}
    true = [layer.true[number] for number in range(len(PASSES)) for layer in model.layers]
    for record, weights in zip(attention.records, true, strict=True):
        torch.testing.assert_close(record.weights(), weights, atol=1e-6, rtol=0)


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_differential_attention_keeps_its_maps_while_it_generates(implementation):
    """Its two products share their weights, and each holds half of the channels of the values."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "vocab_size": 50}
    config = transformers.DiffLlamaConfig(
        **sizes, num_attention_heads=4, num_key_value_heads=2, pad_token_id=0
    )
    build = transformers.DiffLlamaForCausalLM._from_config
    model = build(config, attn_implementation=implementation).eval()
    slow = build(config, attn_implementation="eager").eval()
    slow.load_state_dict(model.state_dict())
    ids = torch.randint(3, 50, (2, 7))
    with capture(model) as attention:
        written = model.generate(ids, max_new_tokens=3, min_new_tokens=3, do_sample=False)
    assert attention.errors == []
    slow.set_attn_implementation("eager")
    true = slow(written, output_attentions=True).attentions
    tokens = [(0, 7), (7, 8), (8, 9)]
    expected = [true[layer][:, :, a:b, :b] for a, b in tokens for layer in (0, 0, 1, 1)]
    assert {record.kind for record in attention.records} == {"self"}
    for record, weights in zip(attention.records, expected, strict=True):
        torch.testing.assert_close(record.weights(), weights, atol=1e-5, rtol=0)


class OverLayers(nn.Module):
    """What every layer is given is chosen, for queries, keys and values, from those before."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(50, WIDTH)
        self.choice = nn.Parameter(torch.randn(2, 3, WIDTH))
        self.projections = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(8))

    def forward(self, ids):
        states = [self.words(ids)]
        for layer in range(2):
            before = torch.stack(states, -2)
            choice = self.choice[layer].expand(*ids.shape, -1, -1)
            given = scaled_dot_product_attention(choice, before, before).unbind(-2)
            q, k, v, o = self.projections[4 * layer : 4 * layer + 4]
            q, k, v = (
                project(nn.functional.layer_norm(x, (WIDTH,)))
                .unflatten(-1, (HEADS, -1))
                .transpose(1, 2)
                for project, x in zip((q, k, v), given, strict=True)
            )
            states.append(o(((q @ k.mT).softmax(-1) @ v).transpose(1, 2).flatten(2)))
        return states[-1]


def test_tokens_that_come_out_of_an_attention_over_layers_are_the_same_tokens():
    model = OverLayers().eval()
    with torch.no_grad(), capture(model) as attention:
        model(torch.randint(50, (2, 7)))
    layers = [record for record in attention.records if record.shape[-1] == 7]
    assert [(record.kind, record.shape) for record in layers] == [("self", (2, HEADS, 7, 7))] * 2
