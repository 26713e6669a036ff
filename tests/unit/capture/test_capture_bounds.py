"""Bounded memory: blocks, thumbnails, budgets; nothing outlives the forward pass."""

import gc
import weakref

import torch
from capture_oracles import captured
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode

from attn_monitor.capture import Call, capture
from attn_monitor.capture.budget import fit
from attn_monitor.capture.thumbnail import thumbnail

HEADS, D_HEAD = 4, 8
WIDTH = HEADS * D_HEAD


class Attend(nn.Module):
    def __init__(self, *, fused=True, layers=3):
        super().__init__()
        torch.manual_seed(0)
        self.projections = nn.ModuleList(nn.Linear(WIDTH, 3 * WIDTH) for _ in range(layers))
        self.outs = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(layers))
        self.fused = fused

    def forward(self, x):
        for project, out in zip(self.projections, self.outs, strict=True):
            q, k, v = project(x).unflatten(-1, (3, HEADS, D_HEAD)).permute(2, 0, 3, 1, 4)
            if self.fused:
                mixed = scaled_dot_product_attention(q, k, v)
            else:
                mixed = (q @ k.mT).softmax(-1) @ v
            x = x + out(mixed.transpose(1, 2).flatten(2))
        return x


class Allocations(TorchDispatchMode):
    """Follows every tensor that an operator returns, to see what is still alive later."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.seen.append(weakref.ref(result))
        return result

    def alive(self):
        return sum(ref() is not None for ref in self.seen)


def alive_after_forward(model, x, *, watched):
    """How many tensors exist after a forward pass whose output is dropped, collector off."""
    gc.collect()
    gc.disable()
    allocations = Allocations()
    try:
        with torch.no_grad():
            if watched:
                with capture(model, sink=lambda _record: None), allocations:
                    model(x)
                    return allocations.alive()
            with allocations:
                model(x)
                return allocations.alive()
    finally:
        gc.enable()


def test_no_more_tensors_live_after_a_watched_forward_pass_than_after_a_plain_one():
    x = torch.randn(2, 6, WIDTH)
    for fused in (True, False):
        model = Attend(fused=fused)
        plain = alive_after_forward(model, x, watched=False)
        # the model's own output and last hidden states stay readable as attention.outputs
        assert alive_after_forward(model, x, watched=True) <= plain + 2


def test_a_collected_record_keeps_its_own_tensors_only():
    model = Attend()
    with torch.no_grad(), capture(model, verify=False) as attention, Allocations() as allocations:
        model(torch.randn(2, 6, WIDTH))
    attention.tracer.modules.results = None
    per_layer = 3  # query, key and value are views of one projection
    assert allocations.alive() <= per_layer * len(attention.records) + 2


def test_thumbnails_are_the_pooled_map_and_rows_still_sum_to_one():
    (record, *_) = captured(Attend(), torch.randn(2, 48, WIDTH)).records
    small = thumbnail(record, side=16)
    whole = record.weights().unflatten(-1, (16, 3)).sum(-1).unflatten(2, (16, 3)).mean(3)
    torch.testing.assert_close(small, whole, atol=1e-6, rtol=0)
    torch.testing.assert_close(small.sum(-1), torch.ones(2, HEADS, 16))


def test_thumbnails_of_uneven_lengths_and_of_short_sentences():
    (record, *_) = captured(Attend(), torch.randn(1, 50, WIDTH)).records
    small = thumbnail(record, side=16)
    assert small.shape == (1, HEADS, 16, 16)
    torch.testing.assert_close(small.sum(-1), torch.ones(1, HEADS, 16))
    (record, *_) = captured(Attend(), torch.randn(1, 5, WIDTH)).records
    torch.testing.assert_close(thumbnail(record, side=16), record.weights())


def calls(layers=6, heads=8, tokens=64, windows=1):
    return [
        Call(
            module=f"layers.{layer}",
            call=0,
            kind="self",
            causal=False,
            heads=heads,
            queries=tokens,
            keys=tokens,
            windows=windows,
        )
        for layer in range(layers)
    ]


def test_a_large_budget_keeps_every_sentence_whole():
    plan = fit(calls(), sentences=16, budget=10**9)
    assert (plan.sentences, plan.window, plan.thumbnail) == (16, None, None)
    assert plan.size == 16 * 6 * 8 * 64 * 64


def test_a_long_sentence_is_kept_as_a_window_beside_a_thumbnail():
    plan = fit(calls(layers=24, heads=16, tokens=2048), sentences=16, budget=64 * 2**20)
    assert (plan.sentences, plan.window, plan.thumbnail) == (1, 256, 64)
    assert plan.layers == tuple(range(24))


def test_a_tiny_budget_drops_layers_evenly_and_keeps_the_first_and_the_last():
    plan = fit(calls(layers=9, heads=8, tokens=512), sentences=4, budget=8 * 64 * 64 * 3)
    assert plan.layers == (0, 4, 8)
    assert (plan.window, plan.thumbnail) == (0, 64)


@given(
    budget=st.integers(1, 10**9),
    tokens=st.integers(1, 3000),
    layers=st.integers(1, 30),
    sentences=st.integers(1, 64),
)
def test_a_plan_fits_its_budget_unless_a_single_thumbnail_does_not(
    budget, tokens, layers, sentences
):
    plan = fit(calls(layers=layers, tokens=tokens), sentences=sentences, budget=budget)
    assert plan.size <= budget or (len(plan.layers) == 1 and plan.window == 0)
    assert 1 <= plan.sentences <= sentences
    assert set(plan.layers) <= set(range(layers))
