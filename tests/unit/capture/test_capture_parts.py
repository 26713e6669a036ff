"""Streams and their order, on PyTorch's own Transformer and on call lists written by hand."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from capture_oracles import captured
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from attn_monitor.capture import Call, arrange, capture, describe_missing

WIDTH, HEADS = 16, 4


def call(module, kind="self", causal=False, queries=5, keys=5, **more):
    return Call(
        module=module,
        call=more.pop("call", 0),
        kind=kind,
        causal=causal,
        heads=2,
        queries=queries,
        keys=keys,
        **more,
    )


def names(calls):
    return {part.name: [layer.name for layer in part.layers] for part in arrange(calls)[1]}


@pytest.mark.parametrize("masked", [False, True])
def test_nn_transformer_has_an_encoder_a_decoder_and_cross_attention(masked):
    torch.manual_seed(0)
    model = nn.Transformer(WIDTH, HEADS, 2, 2, 32, batch_first=True)
    source, target = torch.randn(2, 7, WIDTH), torch.randn(2, 5, WIDTH)
    mask = nn.Transformer.generate_square_subsequent_mask(5) if masked else None
    attention = captured(model, source, target, tgt_mask=mask)
    assert attention.parts == ("encoder", "decoder", "cross")
    assert attention["encoder"].layers == ("encoder.layers.0", "encoder.layers.1")
    assert attention["decoder"].layers == (
        "decoder.layers.0.self_attn",
        "decoder.layers.1.self_attn",
    )
    assert attention["cross"].layers == (
        "decoder.layers.0.multihead_attn",
        "decoder.layers.1.multihead_attn",
    )
    assert attention["cross"].weights(0).shape == (2, HEADS, 5, 7)
    assert attention["decoder"].part.causal is masked
    assert attention["cross"].part.kind == "cross"
    assert not attention["cross"].part.causal


def test_nn_transformer_with_the_same_sentence_on_both_sides_still_has_three_parts():
    torch.manual_seed(0)
    model = nn.Transformer(WIDTH, HEADS, 1, 1, 32, batch_first=True)
    x = torch.randn(2, 5, WIDTH)
    attention = captured(model, x, x)
    assert attention.parts == ("encoder", "decoder", "cross")


def test_a_causal_stack_is_a_decoder_and_any_other_an_encoder():
    assert names([call("h.0.attn", causal=True), call("h.1.attn", causal=True)]) == {
        "decoder": ["h.0.attn", "h.1.attn"]
    }
    assert names([call("h.0.attn"), call("h.1.attn")]) == {"encoder": ["h.0.attn", "h.1.attn"]}


def test_two_towers_are_named_by_their_module_paths():
    calls = [call(f"{tower}.layers.{i}.attn") for tower in ("text", "image") for i in range(2)]
    assert set(names(calls)) == {"text.layers", "image.layers"}


def test_a_stream_whose_maps_differ_in_size_is_split():
    calls = [call("blocks.0.attn", queries=16, keys=16), call("blocks.1.attn", queries=4, keys=4)]
    assert set(names(calls)) == {"blocks.0.attn", "blocks.1.attn"}


def test_windows_are_never_the_encoder():
    calls = [call("stages.0.a.attn", windows=4), call("stages.0.b.attn", windows=4)]
    assert set(names(calls)) == {"stages.0"}


def test_places_give_every_call_its_part_and_layer():
    calls = [
        call("enc.0.attn"),
        call("dec.0.self", causal=True),
        call("dec.0.cross", kind="cross"),
        call("dec.1.self", causal=True),
        call("dec.1.cross", kind="cross"),
    ]
    places, parts = arrange(calls)
    assert places["dec.1.self", 0] == ("decoder", 1)
    assert places["dec.1.cross", 0] == ("cross", 1)
    assert places["enc.0.attn", 0] == ("encoder", 0)
    assert [part.name for part in parts] == ["encoder", "decoder", "cross"]
    assert set(places) == {c.key for c in calls}


@given(
    st.lists(
        st.builds(
            call,
            st.sampled_from(["enc.0.a", "enc.1.a", "dec.0.self", "dec.0.cross", "a", "b1.attn"]),
            kind=st.sampled_from(["self", "cross"]),
            causal=st.booleans(),
            queries=st.sampled_from([1, 5, 9]),
            keys=st.sampled_from([5, 9]),
            windows=st.sampled_from([1, 1, 4]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_call_gets_one_place_and_layers_follow_execution(calls):
    counts = Counter()
    numbered = []
    for one in calls:
        numbered.append(replace(one, call=counts[one.module]))
        counts[one.module] += 1
    places, parts = arrange(numbered)
    assert set(places) == {one.key for one in numbered}
    assert len({part.name for part in parts}) == len(parts)
    for part in parts:
        members = [one for one in numbered if places[one.key][0] == part.name]
        assert [places[one.key][1] for one in members] == list(range(len(part.layers)))
        assert {(one.queries, one.keys, one.windows > 1, one.kind) for one in members} == {
            (members[0].queries, members[0].keys, members[0].windows > 1, part.kind)
        }


def test_an_unknown_part_names_those_that_exist():
    with torch.no_grad(), capture(nn.TransformerEncoderLayer(8, 2, batch_first=True)) as attention:
        attention.model.eval()(torch.randn(1, 3, 8))
    with pytest.raises(KeyError, match="no part 'decoder' was captured; seen: 'encoder'"):
        attention["decoder"]


def test_nothing_captured_names_the_modules_and_the_remedy():
    class FlashSelfAttention(nn.Module):
        pass

    model = nn.Sequential(nn.Linear(2, 2), FlashSelfAttention())
    message = describe_missing(model)
    assert message.startswith("no attention was seen in Sequential; modules that look like it: ")
    assert "1 (FlashSelfAttention)" in message
    assert "register_kernel" in message
    assert "none of its modules looks like attention" in describe_missing(nn.Linear(2, 2))


class Interpretable(nn.Module):
    """As in TFT: the heads are calls of one module inside one that declares their number."""

    def __init__(self):
        super().__init__()
        self.n_head = HEADS
        self.ask, self.answer = (
            nn.ModuleList(nn.Linear(WIDTH, 4) for _ in range(HEADS)) for _ in range(2)
        )
        self.value, self.attention = nn.Linear(WIDTH, 4), Product()

    def forward(self, x):
        pairs = zip(self.ask, self.answer, strict=True)
        heads = [self.attention(q(x), k(x), self.value(x)) for q, k in pairs]
        return torch.stack(heads).mean(0)


class Product(nn.Module):
    def forward(self, q, k, v):
        return torch.bmm(torch.softmax(torch.bmm(q, k.mT) / 2, -1), v)


@pytest.mark.parametrize("sentences", [8, 4, 2, 1])
@pytest.mark.parametrize("tokens", [2, 5])
def test_a_stack_of_single_heads_holds_sentences_whatever_number_of_heads_is_declared(
    sentences, tokens
):
    torch.manual_seed(0)
    model, x = Interpretable(), torch.randn(sentences, tokens, WIDTH)
    attention = captured(model, x)
    assert [record.shape for record in attention.records] == [(sentences, 1, tokens, tokens)] * 4
    for record, q, k in zip(attention.records, model.ask, model.answer, strict=True):
        true = (q(x) @ k(x).mT / 2).softmax(-1)
        assert torch.allclose(record.weights()[:, 0], true, atol=1e-6)


class Sasrec(nn.Module):
    """Only the queries are normalised (Kang and McAuley 2018)."""

    def __init__(self):
        super().__init__()
        self.items = nn.Embedding(20, WIDTH)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.layers = nn.ModuleList(
            nn.MultiheadAttention(WIDTH, 2, batch_first=True) for _ in range(2)
        )

    def forward(self, ids):
        x, hidden = self.items(ids), torch.ones(6, 6, dtype=torch.bool).triu(1)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            asking = norm(x)
            x = asking + layer(asking, x, x, attn_mask=hidden, need_weights=False)[0]
        return x


class Forecaster(nn.Module):
    """The decoder starts from the last values of the history, cut off in one of four ways."""

    def __init__(self, cut):
        super().__init__()
        first = cut not in {"time first", "one value"}
        self.cut, self.enter = cut, nn.Linear(1, WIDTH)
        self.net = nn.Transformer(WIDTH, 2, 1, 1, 32, batch_first=first)

    def forward(self, past):
        if self.cut == "embedded":
            source = self.enter(past)
            return self.net(source, source[:, -3:])
        if self.net.batch_first:
            return self.net(self.enter(past), self.enter(past[:, -3:]))
        turned = past.permute(1, 0, 2)
        last = turned[-1:] if self.cut == "one value" else turned[-3:]
        return self.net(self.enter(turned), self.enter(last))


def test_queries_that_alone_are_normalised_are_still_the_same_tokens():
    attention = captured(Sasrec(), torch.randint(0, 20, (4, 6)))
    assert [(part.kind, len(part.layers)) for part in attention.arrangement] == [("self", 2)]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("cut", ["values", "embedded", "time first", "one value"])
def test_a_decoder_that_starts_from_the_end_of_the_source_asks_across(cut):
    attention = captured(Forecaster(cut), torch.randn(4, 12, 1))
    assert attention.parts == ("encoder", "decoder", "cross")
    assert attention["cross"].part.kind == "cross"
    queries = 1 if cut == "one value" else 3
    assert attention["cross"].weights(0).shape == (4, 2, queries, 12)


class Sink(nn.Module):
    """Every query puts all of its weight on the first token."""

    def __init__(self):
        super().__init__()
        self.ask = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        q = self.ask(x)
        k = torch.zeros_like(q)
        k[:, 0] = 500.0
        return torch.softmax(q.abs() @ k.mT, -1) @ q


def test_an_encoder_that_is_saturated_on_one_token_is_not_causal():
    attention = captured(Sink(), torch.randn(4, 8, WIDTH))
    assert attention.parts == ("encoder",)
    assert attention.records[0].weights()[..., 0].min() > 0.999
    assert not attention["encoder"].part.causal


class SideBySide(nn.Module):
    """Two attentions of each layer, text and layout, before either is projected."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(_Both() for _ in range(2))

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x)
        return x


class _Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(16, 16) for _ in range(8))

    def forward(self, x):
        q, k, v, _, q2, k2, v2, _ = (layer(x) for layer in self.maps)
        first, second = (q @ k.mT).softmax(-1) @ v, (q2 @ k2.mT).softmax(-1) @ v2
        return self.maps[3](first) + self.maps[7](second)


def test_attentions_side_by_side_in_every_layer_are_two_stacks_of_layers():
    attention = captured(SideBySide(), torch.randn(2, 5, 16))
    assert [len(part.layers) for part in attention.arrangement] == [2, 2]
    for part, at in zip(attention.parts, (0, 1), strict=True):
        assert [record.call for record in attention[part].records] == [at, at]


class Routed(nn.Module):
    """JetMoE: queries are made where the router put their tokens, keys where they are."""

    def __init__(self):
        super().__init__()
        self.router, self.q, self.k, self.v = (nn.Linear(16, 16) for _ in range(4))

    def forward(self, x):
        x = nn.functional.layer_norm(x, (16,))
        flat = x.reshape(-1, 16)
        order = self.router(flat).sum(-1).argsort()
        q = torch.zeros_like(flat).index_add(0, order, self.q(flat[order])).view_as(x)
        return (q @ self.k(x).mT).softmax(-1) @ self.v(x)


def test_queries_that_a_router_sorted_are_still_the_same_tokens():
    (part,) = captured(Routed(), torch.randn(2, 5, 16)).arrangement
    assert part.kind == "self"


class Pooling(nn.Module):
    """An encoder whose queries are pooled tokens, and a decoder behind it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.decoder = (
            nn.ModuleList(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True) for _ in range(2))
            for _ in range(2)
        )

    def forward(self, x):
        pooled = x
        for layer in self.encoder:
            asking = nn.functional.avg_pool1d(pooled.mT, 2).mT
            pooled = asking + layer(asking, pooled, pooled)[0]
        x = x + pooled.repeat_interleave(4, 1)
        for layer in self.decoder:
            x = x + layer(x, x, x)[0]
        return x


def test_pooled_queries_are_the_same_tokens_and_name_no_encoder_behind_them():
    attention = captured(Pooling(), torch.randn(2, 8, WIDTH))
    assert [(p.name, p.kind) for p in attention.arrangement] == [
        ("encoder.0", "self"),
        ("encoder.1", "self"),
        ("decoder", "self"),
    ]


class SlicesOfOneInput(nn.Module):
    """A decoder that asks with the end of a series for its beginning, after layers of its own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Linear(WIDTH, WIDTH)
        self.own, self.other = (
            nn.MultiheadAttention(WIDTH, HEADS, batch_first=True) for _ in range(2)
        )

    def forward(self, series):
        past, future = self.embed(series[:, :5]), self.embed(series[:, 5:])
        future = future + self.own(future, future, future)[0]
        return self.other(future, past, past)[0]


def test_slices_of_one_series_are_other_tokens():
    with torch.no_grad(), capture(SlicesOfOneInput(), verify=False) as attention:
        attention.model(torch.randn(2, 8, WIDTH))
    assert [record.kind for record in attention.records] == ["self", "cross"]


class GridFirst(nn.Module):
    """Asks a table of positions for its grid before it looks at the windows of its images."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.positions = nn.Linear(2, WIDTH)
        self.tower = nn.Module()
        self.tower.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.tower.forward = self.windows

    def windows(self, images):
        windows = images.unflatten(1, (3, 4)).flatten(0, 1)
        return self.tower.attention(windows, windows, windows)[0]

    def forward(self, *, images):
        table = self.positions(torch.zeros(5, 5, 2)).sum()
        return self.tower(images) + table


def test_windows_are_counted_by_the_images_and_not_by_a_table_of_positions():
    model = GridFirst()
    with torch.no_grad(), capture(model) as attention:
        model(images=torch.randn(2, 12, WIDTH))
    assert [(record.windows, record.shape[0]) for record in attention.records] == [(3, 6)]
