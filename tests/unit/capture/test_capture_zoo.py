"""Hugging Face models against the weights their own ``eager`` implementation returns."""

import pytest
import torch
import transformers
from capture_oracles import assert_identical
from model_zoo import IDS, TARGETS, TOKENS, ZOO

from attn_monitor.capture import capture
from attn_monitor.capture.lessons import Lesson

BOUNDS = {"eager": 0.0, "sdpa": 2e-7, "flex_attention": 2e-6}
CASES = [
    pytest.param(entry, implementation, id=f"{entry.name}-{implementation}")
    for entry in ZOO
    for implementation in entry.implementations
]


def truth_of(entry):
    """Every weight tensor that the eager model returns, in execution order of its streams."""
    with torch.no_grad():
        output = entry.build("eager")(**entry.inputs, output_attentions=True)
    names = ("encoder_attentions", "attentions", "decoder_attentions", "cross_attentions")
    return {name: list(output[name]) for name in names if output.get(name)}


def captured(entry, implementation):
    model = entry.build(implementation)
    # flex attention is compiled where it is called plainly; capture runs it uncompiled
    stance = "force_eager" if implementation == "flex_attention" else "default"
    with torch.no_grad(), torch.compiler.set_stance(stance):
        plain, lesson = model(**entry.inputs), Lesson()
        with capture(model) as attention:
            watched = model(**entry.inputs)
        assert_identical(plain.to_tuple(), watched.to_tuple())
        assert attention.errors == []
        for _ in range(2):  # the first learns, the second goes by it
            with capture(model, verify=False, lesson=lesson) as again:
                looked_at = model(**entry.inputs)
    assert_identical(plain.to_tuple(), looked_at.to_tuple())
    assert lesson.passes == 1
    assert_the_same(attention, again)
    return attention


def assert_the_same(watched, looked_at):
    """Going by a lesson shows the very tensors that watching everything shows."""
    assert looked_at.difference == ""
    assert looked_at.errors == []
    assert len(looked_at.records) == len(watched.records)
    for one, other in zip(watched.records, looked_at.records, strict=True):
        assert (one.module, one.call, one.kind) == (other.module, other.call, other.kind)
        assert torch.equal(one.weights(), other.weights())
        known = one.output_projection, other.output_projection
        assert known == (None, None) or torch.equal(*known)


def worst(weights, truth, valid):
    difference = (weights - truth).abs().transpose(1, 2)
    if valid is not None and valid.shape == difference.shape[:2]:
        difference = difference[valid]
    return difference.max().item()


pytestmark = [
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile"),
    pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated"),  # torch's own
    pytest.mark.filterwarnings(
        "ignore:_compile flag on create_block_mask"
    ),  # transformers passes it
]


@pytest.mark.parametrize(("entry", "implementation"), CASES)
def test_weights_equal_the_models_own(entry, implementation):
    attention = captured(entry, implementation)
    assert {p.name: len(p.layers) for p in attention.arrangement} == entry.parts
    assert tuple(p.name for p in attention.arrangement if p.causal) == entry.causal
    expected = {"eager": "model"}.get(implementation, "verified")
    assert {r.evidence for r in attention.records} <= {expected, "model"}
    truth = truth_of(entry)
    if entry.name == "Swin":  # its own output holds one tensor per stage, not per layer
        for tensor in truth["attentions"]:
            same = [r for r in attention.records if r.shape == tensor.shape]
            assert min(worst(r.weights(), tensor, None) for r in same) <= BOUNDS[implementation]
        return
    streams = {
        "encoder_attentions": "encoder",
        "decoder_attentions": "decoder",
        "cross_attentions": "cross",
        "attentions": next(iter(entry.parts)),
    }
    for name, tensors in truth.items():
        part = attention[streams[name]]
        for layer, tensor in enumerate(tensors):
            assert worst(part.weights(layer), tensor, entry.valid) <= BOUNDS[implementation]


@pytest.mark.parametrize("entry", ZOO, ids=lambda entry: entry.name)
def test_the_output_projection_and_the_last_hidden_states_are_known(entry):
    model = entry.build(entry.implementations[-1] if entry.name != "Llama" else "sdpa")
    with torch.no_grad(), capture(model, verify=False) as attention:
        output = model(**entry.inputs)
    for record in attention.records:
        assert record.output_projection.shape[0] == record.heads * record.value.shape[-1]
    assert torch.equal(attention.outputs.answer, output.last_hidden_state)


def by_name(name):
    return next(entry for entry in ZOO if entry.name == name)


def test_a_shared_layer_is_counted_at_every_call():
    attention = captured(by_name("ALBERT"), "eager")
    first, second = attention["encoder"].layers
    assert second == f"{first}#1"
    assert [record.call for record in attention.records] == [0, 1]


def test_windows_are_labelled_and_never_taken_for_sentences():
    attention = captured(by_name("Swin"), "sdpa")
    assert [(r.windows, r.shape[0]) for r in attention.records] == [(16, 32), (16, 32), (4, 8)]
    assert "encoder" not in attention.parts
    assert {r.windows for r in captured(by_name("ViT"), "sdpa").records} == {1}


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_queries_and_keys_before_rotary_positions_are_the_projections_outputs(implementation):
    entry = by_name("Llama")
    model = entry.build(implementation)
    projected = {}
    for name in ("q_proj", "k_proj"):
        projection = getattr(model.layers[0].self_attn, name)
        projection.register_forward_hook(
            lambda _module, _inputs, output, name=name: projected.update({name: output})
        )
    with torch.no_grad(), capture(model) as attention:
        model(**entry.inputs)
    record = attention.records[0]
    query = projected["q_proj"].unflatten(-1, (4, 8)).transpose(1, 2)
    key = projected["k_proj"].unflatten(-1, (2, 8)).transpose(1, 2)
    assert torch.equal(record.query_projected, query)
    assert torch.equal(record.key_projected, key)
    assert not torch.equal(record.query, query)


def test_generating_with_a_cache_stays_self_attention():
    torch.manual_seed(0)
    config = by_name("Llama").config()
    model = transformers.LlamaForCausalLM._from_config(config, attn_implementation="sdpa").eval()
    options = {"max_new_tokens": 3, "do_sample": False}
    plain = model.generate(IDS, **options)
    with capture(model) as attention:
        assert torch.equal(model.generate(IDS, **options), plain)
    assert attention.errors == []
    assert [record.call for record in attention.records] == [0, 0, 1, 1, 2, 2]
    assert {record.kind for record in attention.records} == {"self"}
    assert [record.shape[2] for record in attention.records] == [TOKENS, TOKENS, 1, 1, 1, 1]
    assert {record.evidence for record in attention.records} == {"verified"}


def test_cross_attention_runs_from_target_to_source():
    attention = captured(by_name("Marian"), "sdpa")
    assert attention["cross"].weights(0).shape == (2, 4, TARGETS, TOKENS)
    assert attention["decoder"].weights(0).shape == (2, 4, TARGETS, TARGETS)
    assert attention["cross"].part.kind == "cross"


@pytest.mark.parametrize("name", ["BERT", "Llama"])
def test_bf16_weights_follow_the_models_own_arithmetic(name):
    entry = by_name(name)
    truth = {}
    for implementation in ("eager", "sdpa"):
        model = entry.build(implementation).bfloat16()
        with torch.no_grad(), capture(model) as attention:
            model(**entry.inputs)
        truth[implementation] = attention.records[0].weights()
        assert {r.evidence for r in attention.records} <= {"verified", "model"}
    assert worst(truth["sdpa"], truth["eager"], entry.valid) <= 3e-3
