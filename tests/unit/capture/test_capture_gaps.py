"""What ran and was not captured is named, also where other layers were."""

import torch
from capture_oracles import captured
from test_capture_pieces import QueryBlocks
from torch import nn

from attn_monitor.capture.missing import describe_gaps, describe_missing

WIDTH = 16


class LinearAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x):
        q, k = self.q(x).exp(), self.k(x).exp()
        return q @ (k.mT @ self.v(x)) / (q * k.sum(1, keepdim=True)).sum(-1, keepdim=True)


class AdditiveAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.score = nn.Linear(WIDTH, 8), nn.Linear(WIDTH, 8), nn.Linear(8, 1)

    def forward(self, x):
        scores = self.score(torch.tanh(self.q(x)[:, :, None] + self.k(x)[:, None])).squeeze(-1)
        return (scores.softmax(-1)[..., None] * x[:, None]).sum(2)


class Hybrid(nn.Module):
    def __init__(self, *kinds):
        super().__init__()
        self.layers = nn.ModuleList(kind() for kind in kinds)

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x)
        return x


def test_layers_without_maps_are_named_beside_those_that_have_some():
    model = Hybrid(LinearAttention, QueryBlocks, AdditiveAttention, LinearAttention)
    attention = captured(model, torch.randn(2, 6, WIDTH))
    assert [record.module for record in attention.records] == ["layers.1"]
    linear, additive, last = attention.gaps
    assert (linear.module, linear.module_type) == ("layers.0", "LinearAttention")
    assert "no softmax over keys" in linear.reason
    assert last.module == "layers.3"
    assert additive.module == "layers.2"
    assert "additive scores" in additive.reason
    message = describe_gaps(attention.gaps)
    assert "layers.0 (LinearAttention), layers.3 (LinearAttention): no softmax over keys" in message


class LearnedQueries(nn.Module):
    """Named like nothing in particular: only its softmax tells."""

    def __init__(self):
        super().__init__()
        self.ask, self.value = nn.Linear(WIDTH, 3), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return x + (self.ask(x).mT.softmax(-1) @ self.value(x)).mean(1, keepdim=True)


class DynamicConvolution(QueryBlocks):
    """ConvBERT: beside its attention, a convolution whose kernel is a softmax."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Linear(WIDTH, 3)

    def forward(self, x):
        windows = nn.functional.pad(x, (0, 0, 1, 1)).unfold(1, 3, 1)
        return super().forward(x) + (windows @ self.kernel(x).softmax(-1)[..., None]).squeeze(-1)


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.router, self.all = nn.Linear(WIDTH, 2), nn.Linear(WIDTH, 2 * WIDTH)

    def forward(self, x):
        said = self.all(x).unflatten(-1, (2, WIDTH))
        return (self.router(x).softmax(-1)[..., None, :] @ said).squeeze(-2)


def test_a_softmax_over_other_things_than_scores_is_named_where_it_weighs_values():
    model = Hybrid(LearnedQueries, QueryBlocks, DynamicConvolution, Experts)
    attention = captured(model, torch.randn(2, 6, WIDTH))
    assert [record.module for record in attention.records] == ["layers.1", "layers.2"]
    assert [gap.module for gap in attention.gaps] == ["layers.0", "layers.2"]
    assert {"learned queries" in gap.reason for gap in attention.gaps} == {True}


class FreeOfQueries(nn.Module):
    """An attention-free transformer: named like nothing, and without a softmax."""

    def __init__(self, shaped=torch.exp, *, causal=False):
        super().__init__()
        self.gate, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.positions, self.shaped = nn.Parameter(torch.randn(8, 8)), shaped
        self.register_buffer("seen", torch.ones(8, 8).tril() if causal else None)

    def forward(self, x):
        share = self.shaped(self.positions[: x.shape[1], : x.shape[1]])
        if self.seen is not None:
            share = share * self.seen[: x.shape[1], : x.shape[1]]
        keys = self.shaped(self.key(x))
        mixed = self.gate(x).sigmoid() * (share @ (keys * self.value(x)))
        return mixed / (share @ keys + 1e-6)


class Blends(nn.Module):
    """Mixes tokens and channels, and divides by what it made, but weighs no values by keys."""

    def __init__(self):
        super().__init__()
        self.tokens, self.channels = nn.Linear(6, 6), nn.Linear(WIDTH, WIDTH)
        self.positions = nn.Parameter(torch.randn(6, 6))

    def forward(self, x):
        x = x + self.tokens(self.channels(x).mT).mT
        mixed = nn.functional.softplus(self.positions) @ self.channels(x)
        return mixed / mixed.pow(2).mean(-1, keepdim=True).sqrt()


def test_learned_positions_that_weigh_values_are_named_and_mixers_are_not():
    kinds = (
        *(FreeOfQueries, lambda: FreeOfQueries(nn.functional.softplus)),
        *(lambda: FreeOfQueries(torch.sigmoid, causal=True), Blends),
    )
    model = Hybrid(*kinds)
    attention = captured(model, torch.randn(2, 6, WIDTH))
    assert [gap.module for gap in attention.gaps] == ["layers.0", "layers.1", "layers.2"]
    assert all("keys weigh values here, channel by channel" in gap.reason for gap in attention.gaps)
    assert "layers.2 (FreeOfQueries)" in describe_missing(model, attention.gaps)


class AddedUp(FreeOfQueries):
    """The same as sums over the keys, all of them or those up to here."""

    def forward(self, x):
        keys, values = self.key(x), self.value(x)
        if self.seen is not None:
            weights = self.shaped(keys)
            return (weights * values).cumsum(1) / weights.cumsum(-2).clamp_min(1e-6)
        if self.shaped is torch.exp:
            weights = self.shaped(keys[:, None] + self.positions[: x.shape[1], : x.shape[1], None])
            return self.gate(x).sigmoid() * (weights * values[:, None]).sum(2) / weights.sum(2)
        weights = self.shaped(keys - keys.amax(1, keepdim=True))
        summed = weights.sum(1, keepdim=True)
        return x + (values * weights).sum(1, keepdim=True) / (summed + 1e-6)


class Pools(nn.Module):
    """Divides sums by sums, and weighs no values by keys: pooling, gates and normalisation."""

    def __init__(self):
        super().__init__()
        self.gate, self.said = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        seen = torch.ones(*x.shape[:2], 1).tril()
        said, gate = self.said(x), self.gate(x).sigmoid()
        pooled = (said * seen).sum(1, keepdim=True) / seen.sum(1, keepdim=True)
        softest = said.exp()
        pooled = pooled + (softest * said).sum(1, keepdim=True) / softest.sum(1, keepdim=True)
        pooled = pooled + (gate * said).sum(1, keepdim=True) / x.shape[1]
        return pooled + gate / gate.sum(-1, keepdim=True) + (gate * said).mean(1, keepdim=True)


def test_keys_that_weigh_values_in_sums_are_named_and_pooling_is_not():
    kinds = (
        *(AddedUp, lambda: AddedUp(torch.sigmoid, causal=True)),
        *(lambda: AddedUp(nn.functional.softplus), Pools),
    )
    attention = captured(Hybrid(*kinds), torch.randn(2, 6, WIDTH))
    assert [gap.module for gap in attention.gaps] == ["layers.0", "layers.1", "layers.2"]
    assert {"without queries" in gap.reason for gap in attention.gaps} == {True}
    assert attention.errors == []


def test_a_model_that_was_seen_whole_has_no_gaps():
    layer = nn.TransformerEncoderLayer(WIDTH, 2, batch_first=True)
    for model in (Hybrid(QueryBlocks, QueryBlocks), nn.TransformerEncoder(layer, 2)):
        assert captured(model, torch.randn(2, 6, WIDTH)).gaps == ()


def test_additive_attention_alone_is_named_for_what_it_is():
    assert "layers.0 (AdditiveAttention)" in describe_missing(Hybrid(AdditiveAttention))
    assert "additive scores" in describe_missing(Hybrid(AdditiveAttention))
