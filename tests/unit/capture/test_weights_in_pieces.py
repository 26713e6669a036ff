"""Weights made a few rows at a time, and maps for metrics, against the slow and obvious way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from capture_oracles import softmax_weights
from torch import nn
from torch.nn import functional

from attn_monitor.analysis import registered_metrics
from attn_monitor.capture import capture, maps_of, reading, rules
from attn_monitor.capture.families.flash_attention import FlashSoftmax
from attn_monitor.capture.rules import MaskedSoftmax
from attn_monitor.capture.selection import Selection
from attn_monitor.core.maps import Maps

SENTENCES, HEADS, QUERIES, KEYS, WIDTH = 3, 4, 7, 9, 8
FEW = (1, 40, 100, 10_000)  # weights that are made at once: less than a row, rows, sentences, all


def drawn(*shape, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def visible(*, causal=False, diagonal=0, window=(-1, -1)):
    """``[query, key]``: which pairs a rule lets through."""
    own, key = torch.arange(QUERIES)[:, None] + diagonal, torch.arange(KEYS)[None]
    left, right = window[0], 0 if causal else window[1]
    seen = torch.ones(QUERIES, KEYS, dtype=torch.bool)
    seen &= (key <= own + right) if right >= 0 else seen
    return seen & (key >= own - left) if left >= 0 else seen


RULES = {
    "everything": {},
    "causal": {"causal": True},
    "causal after a cache": {"causal": True, "diagonal": KEYS - QUERIES},
    "causal, and first rows that see nothing": {"causal": True, "diagonal": -2},
    "a window": {"window": (2, 1)},
    "only so far ahead": {"window": (-1, 1)},
    "a causal window": {"causal": True, "window": (2, -1)},
}


@pytest.mark.parametrize("at_once", FEW)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", RULES)
def test_weights_in_pieces_are_the_softmax_of_all_scores(monkeypatch, name, dtype, at_once):
    monkeypatch.setattr(rules, "CACHED_ELEMENTS", at_once)
    query, key = (
        drawn(SENTENCES, n, m, WIDTH, dtype=dtype) for n, m in ((HEADS, QUERIES), (2, KEYS))
    )
    value = drawn(SENTENCES, 2, KEYS, 5, dtype=dtype)
    mask = drawn(SENTENCES, 1, 1, KEYS) > -1
    rule = MaskedSoftmax(query=query, key=key, scale=0.3, mask=mask, **RULES[name])
    seen = visible(**RULES[name]) & mask
    truth = softmax_weights(query, key, visible=seen, scale=0.3).float()
    for chosen in (
        Selection(),
        Selection(rows=slice(2, 6)),
        Selection(sentences=slice(1, 3), heads=slice(0, 2)),
        Selection(rows=[5, 0], sentences=[2]),
    ):
        expected = chosen.of_queries(truth)
        torch.testing.assert_close(rule.weights(chosen), expected, atol=2e-6, rtol=1e-5)
    scores = (query.double() @ key.double().repeat_interleave(2, 1).mT) * 0.3
    largest = scores.masked_fill(~seen, -torch.inf).amax((-2, -1)).float()
    torch.testing.assert_close(rule.logit_max(), largest, atol=1e-5, rtol=1e-5)
    found = rule.row_scores(value, keep=True)
    torch.testing.assert_close(found.weights, truth, atol=2e-6, rtol=1e-5)
    mixed = truth.double() @ value.double().repeat_interleave(2, 1)
    torch.testing.assert_close(found.mixed, mixed.float(), atol=1e-5, rtol=1e-4)
    made, top = rule.with_largest(Selection(rows=slice(0, 4)))
    torch.testing.assert_close(made, truth[:, :, :4], atol=2e-6, rtol=1e-5)
    assert torch.all(top <= rule.logit_max() + 1e-5)


@pytest.mark.parametrize("at_once", FEW)
def test_a_row_of_nan_is_nan_and_a_key_behind_the_horizon_is_not_looked_at(monkeypatch, at_once):
    monkeypatch.setattr(rules, "CACHED_ELEMENTS", at_once)
    query, key = drawn(1, 2, 6, WIDTH), drawn(1, 2, 6, WIDTH)
    query[0, 1, 2], key[0, 0, 4] = torch.nan, torch.nan
    found = MaskedSoftmax(query=query, key=key, scale=1.0, causal=True).weights(Selection())
    assert found[0, 0, :4].isfinite().all()
    assert found[0, 0, 4:].isnan().all()
    assert found[0, 1, 2].isnan().all()
    assert found[0, 1, [0, 1, 3, 4, 5]].isfinite().all()


def test_flash_attentions_own_scores_in_pieces(monkeypatch):
    query, key = drawn(2, 2, 6, WIDTH), drawn(2, 2, 8, WIDTH)
    options = {"scale": 0.5, "causal": True, "diagonal": 2, "soft_cap": 3.0}
    rule = FlashSoftmax(query=query, key=key, slopes=torch.tensor([0.5, 0.1]), **options)
    whole = rule.weights(Selection())
    monkeypatch.setattr(rules, "CACHED_ELEMENTS", 20)
    torch.testing.assert_close(rule.weights(Selection()), whole)
    assert torch.equal(whole.triu(3), torch.zeros_like(whole))


class Attends(nn.Module):
    def __init__(self, *, causal, fused):
        super().__init__()
        torch.manual_seed(0)
        self.pack, self.out = nn.Linear(16, 48), nn.Linear(16, 16)
        self.causal, self.fused = causal, fused

    def forward(self, x):
        q, k, v = self.pack(3 * x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
        if self.fused:
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        else:
            scores = q @ k.mT * 8**-0.5
            hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
            mixed = scores.masked_fill(hidden & self.causal, -torch.inf).softmax(-1) @ v
        return self.out(mixed.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("at_once", [0, 1 << 20])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_maps_for_metrics_have_what_each_sentence_alone_has(monkeypatch, fused, causal, at_once):
    monkeypatch.setattr(reading, "_TOGETHER", at_once)
    model, words, tables, asked = Attends(causal=causal, fused=fused), drawn(3, 6, 16), [], []

    def reduce(record):
        maps = maps_of(record)
        tables.extend(registered_metrics().compute_each(maps))
        asked.extend(each.logit_max for each in maps_of(record))  # before any row was read
        truth = record.weights().numpy(), record.logit_max().numpy()
        for attn, largest in zip(*truth, strict=True):
            alone = Maps(attn=attn, causal=causal, logit_max=largest)
            expected.append(registered_metrics().compute(alone))
            largests.append(largest)

    expected, largests = [], []
    with torch.no_grad(), capture(model, sink=reduce, verify=False) as attention:
        model(words)
    assert attention.errors == []
    assert len(tables) == len(expected) == 3
    np.testing.assert_allclose(tables, expected, atol=1e-5)
    np.testing.assert_allclose(asked, largests, rtol=1e-5)
