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
