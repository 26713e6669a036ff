"""Rows of several documents: where each begins, whichever way the model is told."""

import numpy as np
import pytest
import torch
from torch import nn

from attn_monitor.analysis import registered_metrics
from attn_monitor.core.maps import Maps
from attn_monitor.monitor.batches import describe_any
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.layout import find_layout
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.recorder import Recorder

IDS = torch.tensor([[5, 6, 7, 8, 9, 10, 11, 12], [13, 14, 15, 16, 17, 18, 0, 0]])
NUMBER = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 2], [0, 0, 1, 1, 1, 1, 2, 2]])  # of the document
METRICS = registered_metrics()
BEGINS = [(0, 3, 5), (0, 2)]


class Attention(nn.Module):
    """Reads inside documents only; `told` says how it knows these."""

    def __init__(self, told, causal, scale):
        super().__init__()
        self.told, self.causal, self.scale = told, causal, scale
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x, batch):
        split = (t.unflatten(-1, (2, 4)).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1))
        mixed = (self.piece_by_piece if self.told == "lengths" else self.at_once)(*split, batch)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def piece_by_piece(self, q, k, v, batch):
        lengths = batch["cu_seqlens"].diff().tolist()
        pieces = zip(*(t.split(lengths, dim=2) for t in (q, k, v)), strict=True)
        attend = nn.functional.scaled_dot_product_attention
        return torch.cat([attend(*piece, is_causal=self.causal) for piece in pieces], dim=2)

    def at_once(self, q, k, v, batch):
        mask = torch.ones(1, 1, 1, dtype=torch.bool)
        if self.told == "mask":
            mask = batch["mask"]
        elif self.told != "nothing":
            restarts = self.told == "positions"
            number = (batch["position_ids"] == 0).cumsum(1) if restarts else batch["numbers"]
            mask = number[:, :, None] == number[:, None]
        if self.causal:
            mask = mask & torch.ones(q.shape[2], q.shape[2], dtype=torch.bool).tril()
        scores = self.scale * q @ k.mT
        return scores.masked_fill(~mask[:, None], -1e9).softmax(-1) @ v


class Packed(nn.Module):
    def __init__(self, told, *, causal=True, scale=1.0, layers=2):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(20, 8)
        self.layers = nn.ModuleList(Attention(told, causal, scale) for _ in range(layers))

    def forward(self, batch):
        x = self.embed(batch["input_ids"])
        for layer in self.layers:
            x = x + layer(x, batch)
        return x


def batch_of(told):
    place = torch.arange(8).expand(2, 8)
    first = torch.stack([(row[None] == row[:, None]).int().argmax(1) for row in NUMBER])
    more = {
        "positions": {"position_ids": place - first},
        "numbers": {"numbers": NUMBER},
        "mask": {"mask": NUMBER[:, :, None] == NUMBER[:, None]},
        "lengths": {"cu_seqlens": torch.tensor([0, 3, 5, 8])},
        "nothing": {},
    }[told]
    ids = IDS[:1] if told == "lengths" else IDS
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), **more}


def recorded(model, batch):
    tokens = describe_any(batch)
    rows = tuple(range(len(tokens)))
    probes = ProbeBatch(split="val", batch=batch, tokens=tokens, rows=rows)
    layout = find_layout(model.eval(), [probes], model, tokens=None, failures=Failures())
    recorder = Recorder(
        model=model, layout=layout, metrics=METRICS, budget_bytes=10**9, failures=Failures()
    )
    with torch.no_grad():
        seen = recorder.observe(model)
    seen.finish()
    return layout, seen


@pytest.mark.parametrize(
    ("told", "causal"),
    [("positions", True), ("numbers", False), ("mask", True), ("lengths", False)],
)
def test_each_document_of_a_row_begins_where_the_model_was_told(told, causal):
    layout, _ = recorded(Packed(told, causal=causal), batch_of(told))
    (part,) = layout.parts
    assert part.words == "seen"
    for probe, begins in zip(layout.probes, BEGINS, strict=False):
        query, key = probe.axes(part)
        assert query == key
        assert query.text == tuple(str(i) for i in IDS[probe.index].tolist() if i)
        assert query.documents == begins


def test_a_softmax_that_is_saturated_makes_no_documents():
    model, batch = Packed("nothing", scale=1e6, layers=1), batch_of("nothing")
    with torch.no_grad():  # two kinds of words, and none looks at the other kind
        model.embed.weight[:] = torch.ones(20, 8)
        model.embed.weight[9:13], model.embed.weight[15:] = -1, -1
        model.layers[0].qkv.weight[:] = torch.eye(8).repeat(3, 1)
        model.layers[0].qkv.bias[:] = 0
    layout, seen = recorded(model, batch)
    assert not seen.attention["decoder"][0][:, :, 4:, :4].any()
    assert {probe.axes(layout.parts[0])[0].documents for probe in layout.probes} == {()}


def test_even_attention_inside_documents_is_even():
    """What may not be read is no choice: metrics are those of the documents one by one."""
    _, seen = recorded(Packed("numbers", scale=0.0), batch_of("numbers"))
    names = [spec.name for spec in METRICS.specs]
    for name, value in (("row_entropy", 1), ("support", 1), ("col_entropy", 1)):
        assert seen.metrics["decoder"][..., names.index(name)] == pytest.approx(value, abs=1e-5)
    # From 3, 2 and 3 tokens to the first of their own: 1 + 1/2 + 1/3, 1 + 1/2, 1 + 1/2 + 1/3.
    sink = seen.metrics["decoder"][0, :, :, names.index("sink")]
    assert sink == pytest.approx((11 / 6 + 3 / 2 + 11 / 6) / 8, abs=1e-5)


def test_metrics_of_a_packed_row_are_means_over_its_documents():
    draw = np.random.default_rng(0)
    blocks = [np.tril(draw.random((2, n, n))) for n in (3, 4, 4)]
    blocks = [block / block.sum(-1, keepdims=True) for block in blocks]
    attn, at = np.zeros((2, 11, 11)), 0
    for block in blocks:
        attn[:, at : at + block.shape[1], at : at + block.shape[1]] = block
        at += block.shape[1]
    packed = METRICS.compute(Maps(attn=attn, causal=True, documents=(0, 3, 7)))
    alone = np.stack([METRICS.compute(Maps(attn=block, causal=True)) for block in blocks])
    names = [spec.name for spec in METRICS.specs]
    for name in ("row_entropy", "support", "prev", "next"):  # of rows that have a choice
        of = names.index(name)
        assert packed[:, of] == pytest.approx(
            np.average(alone[..., of], axis=0, weights=[2, 3, 3]), abs=1e-5
        )
    for name in ("sink", "confidence", "self", "left"):
        of = names.index(name)
        assert packed[:, of] == pytest.approx(
            np.average(alone[..., of], axis=0, weights=[3, 4, 4]), abs=1e-5
        )
    even = METRICS.uniform(Maps(attn=attn, causal=True, documents=(0, 3, 7)))
    assert even[[names.index(n) for n in ("row_entropy", "col_entropy")]] == pytest.approx(1)
