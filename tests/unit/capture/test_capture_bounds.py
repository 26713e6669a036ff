"""Bounded memory: nothing outlives the forward pass."""

import gc
import weakref

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode

from attn_monitor.capture import capture

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
