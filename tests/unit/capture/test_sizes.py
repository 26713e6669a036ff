"""What a head writes and the sizes it compares, against the model's own layers in float64."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    DeepseekV3Config,
    DeepseekV3Model,
    GPT2Config,
    GPT2Model,
    LlamaConfig,
    LlamaModel,
)
from transformers.models.deepseek_v3.modeling_deepseek_v3 import apply_rotary_pos_emb_interleave
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from attn_monitor.capture import capture
from attn_monitor.capture.rules import MaskedSoftmax
from attn_monitor.capture.selection import Selection
from attn_monitor.capture.sizes import output_factor, sizes_of

HEADS, WIDTH, TOKENS = 4, 16, 9
NAMES = {"vocab_size": 50, "hidden_size": WIDTH, "num_attention_heads": HEADS}
IDS = torch.randint(0, 50, (3, TOKENS), generator=torch.Generator().manual_seed(1))
MASK = torch.tensor([[1] * TOKENS, [1] * 6 + [0] * 3, [1] * 4 + [0] * 5])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def sizes(model, *args, **kwargs):
    """Return the sizes of the model's first attention call."""
    found = []
    with torch.no_grad(), capture(model, sink=lambda r: found.append(of(r)), verify=False) as seen:
        model(*args, **kwargs)
    assert seen.errors == []
    return found[0]


def of(record):
    return sizes_of(record, output_factor(record))


def heads_of(flat, heads=HEADS):
    """Return ``[sentence, head, token, d]`` of ``[sentence, token, head * d]``."""
    return flat.unflatten(-1, (heads, -1)).transpose(1, 2)


def expected(query, key, value, projection, visible):
    """Return every number by its definition, of ``[sentence, head, token, d]`` in float64."""
    group = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(group, dim=1) for x in (key, value))
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    scores = scores.masked_fill(~visible, -torch.inf)
    mixed = scores.softmax(-1) @ value
    slices = projection.unflatten(0, (query.shape[1], -1))
    seen = torch.where(visible.expand(scores.shape), scores, 0)
    return {
        "reads": mixed.norm(dim=-1),
        "writes": (mixed @ slices).norm(dim=-1),
        "query": query.norm(dim=-1),
        "key": key.norm(dim=-1),
        "value": value.norm(dim=-1),
        "largest": scores.amax(-1),
        "mean": seen.sum(-1) / visible.expand(scores.shape).sum(-1),
    }


def check(found, wanted, rows=None):
    for name, values in wanted.items():
        got = getattr(found, name).double()
        for row, count in enumerate(rows or [TOKENS] * len(values)):
            one, other = got[row, :, :count], values[row, :, :count]
            np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6, err_msg=name)


def at_entry(module):
    """Return a list that fills with what a module is given."""
    seen = []
    module.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    return seen


@pytest.mark.parametrize("way", ["fused", "fused with weights", "trained", "sequence first"])
def test_sizes_of_a_multihead_attention(way):
    attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=way != "sequence first")
    nn.init.normal_(attention.in_proj_bias)
    attention.train(way == "trained").requires_grad_(way == "trained")
    tokens = torch.randn(3, TOKENS, WIDTH)
    given = tokens.transpose(0, 1) if way == "sequence first" else tokens
    hidden = MASK == 0
    found = sizes(
        attention,
        *(given, given, given),
        key_padding_mask=hidden,
        need_weights=way == "fused with weights",
    )
    twin = copy.deepcopy(attention).double()
    projected = tokens.double() @ twin.in_proj_weight.mT + twin.in_proj_bias
    query, key, value = (heads_of(x).detach() for x in projected.chunk(3, dim=-1))
    wanted = expected(query, key, value, twin.out_proj.weight.detach().mT, ~hidden[:, None, None])
    check(found, wanted, rows=MASK.sum(1).tolist())


@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_sizes_of_a_bert_with_padding(kernel):
    config = BertConfig(
        **NAMES, intermediate_size=16, num_hidden_layers=1, attn_implementation=kernel
    )
    model = BertModel(config).eval()
    found = sizes(model, IDS, attention_mask=MASK)
    twin = copy.deepcopy(model).double()
    layer = twin.encoder.layer[0].attention
    entered = at_entry(layer.self.query)
    with torch.no_grad():
        twin(IDS, attention_mask=MASK)
        vectors = [
            heads_of(p(entered[0])) for p in (layer.self.query, layer.self.key, layer.self.value)
        ]
    wanted = expected(*vectors, layer.output.dense.weight.detach().mT, MASK.bool()[:, None, None])
    check(found, wanted, rows=MASK.sum(1).tolist())


@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_sizes_of_a_gpt2_with_packed_projections(kernel):
    config = GPT2Config(
        **{"vocab_size": 50, "n_embd": WIDTH, "n_layer": 1, "n_head": HEADS},
        **{"bos_token_id": 0, "eos_token_id": 0, "attn_implementation": kernel},
    )
    model = GPT2Model(config).eval()
    found = sizes(model, IDS)
    twin = copy.deepcopy(model).double()
    attention = twin.h[0].attn
    entered = at_entry(attention.c_attn)
    with torch.no_grad():
        twin(IDS)
        vectors = [heads_of(x) for x in attention.c_attn(entered[0]).chunk(3, dim=-1)]
    causal = torch.ones(TOKENS, TOKENS).tril().bool()
    check(found, expected(*vectors, attention.c_proj.weight.detach(), causal))


@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_sizes_of_a_llama_with_shared_keys_and_rotary_positions(kernel):
    config = LlamaConfig(
        **NAMES,
        **{"intermediate_size": 16, "num_hidden_layers": 1, "num_key_value_heads": 2},
        **{"attn_implementation": kernel, "attention_bias": True},
    )
    model = LlamaModel(config).eval()
    found = sizes(model, IDS)
    twin = copy.deepcopy(model).double()
    attention = twin.layers[0].self_attn
    entered = []
    attention.register_forward_pre_hook(
        lambda _, _args, kwargs: entered.append(kwargs), with_kwargs=True
    )
    with torch.no_grad():
        twin(IDS)
        hidden, angles = entered[0]["hidden_states"], entered[0]["position_embeddings"]
        query = heads_of(attention.q_proj(hidden))
        key, value = (heads_of(p(hidden), 2) for p in (attention.k_proj, attention.v_proj))
        query, key = apply_rotary_pos_emb(query, key, *angles)
    causal = torch.ones(TOKENS, TOKENS).tril().bool()
    check(found, expected(query, key, value, attention.o_proj.weight.detach().mT, causal))


@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_sizes_of_a_deepseek_with_latent_keys_and_shorter_values(kernel):
    plain, turned, short = 4, 4, 6
    config = DeepseekV3Config(
        **NAMES,
        **{"intermediate_size": 16, "num_hidden_layers": 1, "first_k_dense_replace": 1},
        **{"num_key_value_heads": HEADS, "q_lora_rank": 8, "kv_lora_rank": 8, "head_dim": turned},
        **{"qk_nope_head_dim": plain, "qk_rope_head_dim": turned, "v_head_dim": short},
        attn_implementation=kernel,
    )
    model = DeepseekV3Model(config).eval()
    found = sizes(model, IDS)
    twin = copy.deepcopy(model).double()
    attention = twin.layers[0].self_attn
    entered = []
    attention.register_forward_pre_hook(
        lambda _, _args, kwargs: entered.append(kwargs), with_kwargs=True
    )
    with torch.no_grad():
        twin(IDS)
        hidden, angles = entered[0]["hidden_states"], entered[0]["position_embeddings"]
        latent = attention.q_a_layernorm(attention.q_a_proj(hidden))
        query = heads_of(attention.q_b_proj(latent)).split([plain, turned], dim=-1)
        latent, shared = attention.kv_a_proj_with_mqa(hidden).split([8, turned], dim=-1)
        key, value = heads_of(attention.kv_b_proj(attention.kv_a_layernorm(latent))).split(
            [plain, short], dim=-1
        )
        angled = apply_rotary_pos_emb_interleave(query[1], shared[:, None], *angles)
        query = torch.cat([query[0], angled[0]], dim=-1)
        key = torch.cat([key, angled[1].expand(-1, HEADS, -1, -1)], dim=-1)
    causal = torch.ones(TOKENS, TOKENS).tril().bool()
    wanted = expected(query, key, value, attention.o_proj.weight.detach().mT, causal)
    if kernel == "sdpa":  # no fused kernel takes shorter values; PyTorch's own scales both sides
        wanted |= {name: wanted[name] / (plain + turned) ** 0.25 for name in ("query", "key")}
    check(found, wanted)


class Gated(nn.Module):
    """Attention whose heads pass a gate, or whose output no projection follows."""

    def __init__(self, *, gate: bool, project: bool) -> None:
        super().__init__()
        self.qkv, self.gate = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH) if gate else None
        self.out = nn.Linear(WIDTH, WIDTH) if project else None

    def forward(self, x):
        query, key, value = (heads_of(y) for y in self.qkv(x).chunk(3, dim=-1))
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        mixed = mixed.transpose(1, 2).flatten(2)
        if self.gate is not None:
            mixed = mixed * self.gate(x).sigmoid()
        return mixed if self.out is None else self.out(mixed)


@pytest.mark.parametrize(("gate", "project"), [(True, True), (False, False)])
def test_what_a_head_writes_is_unknown_where_it_does_not_meet_its_projection(gate, project):
    found = sizes(Gated(gate=gate, project=project).eval(), torch.randn(2, 5, WIDTH))
    assert found.writes is None
    assert found.reads.isfinite().all()


def test_a_head_without_output_weights_writes_nothing():
    model = Gated(gate=False, project=True).eval()
    model.out.weight.data[:, 4:8] = 0
    found = sizes(model, torch.randn(2, 5, WIDTH))
    assert (found.writes[:, 1] == 0).all()
    assert (found.writes[:, [0, 2, 3]] > 0).all()


def test_values_of_a_long_sentence_are_mixed_some_rows_at_a_time(monkeypatch):
    model = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).eval()
    x = torch.randn(2, 40, WIDTH)
    whole = sizes(model, x, x, x)
    monkeypatch.setattr("attn_monitor.capture.rules.CACHED_ELEMENTS", 500)
    for name in ("reads", "largest", "mean"):
        torch.testing.assert_close(getattr(sizes(model, x, x, x), name), getattr(whole, name))


def test_weights_that_are_made_on_the_way_are_the_weights(monkeypatch):
    monkeypatch.setattr("attn_monitor.capture.rules.CACHED_ELEMENTS", 4 * TOKENS * 5)
    query, key = torch.randn(3, HEADS, TOKENS, 4), torch.randn(3, 2, TOKENS, 4)
    mask = MASK.bool()[:, None, None].expand(3, 1, TOKENS, TOKENS).clone()
    mask[1, 0, 2] = False  # a query that sees nothing
    rule = MaskedSoftmax(query=query, key=key, scale=0.5, mask=mask)
    made = rule.row_scores(keep=True).weights
    torch.testing.assert_close(made, rule.weights(Selection()))
    assert (made[1, :, 2] == 0).all()
    double = MaskedSoftmax(query=query.double(), key=key.double(), scale=0.5, mask=mask)
    torch.testing.assert_close(double.row_scores(keep=True).weights, made)
