"""Planted mask faults are found before training, and healthy masks are never called leaks."""

import pytest
import torch
from masked_models import Block, Masked, causal, documents, packed, padding, sentences
from torch import nn

from attn_monitor import audit_masks
from attn_monitor.core.mask_audit import MaskAudit


def found(masks, batch, *, mask=None, **model):
    return audit_masks(Masked(masks, **model), batch, mask=mask, replay=lambda m, b: m(b))


def both(_, batch):
    return causal(batch) & padding(batch)


def additive(mask, low):
    return torch.zeros(mask.shape).masked_fill(~mask, low)


def never_empty(mask):
    return mask | ~mask.any(-1, keepdim=True)


SHORT = sentences(9, 5, 12)
PACKED = packed(5, 7, 4)
PREFIX = sentences(12, 12) | {"token_type_ids": (torch.arange(12) >= 5).long().expand(2, -1)}
del PREFIX["attention_mask"]


def prefix(batch, *, seen=None):
    first = batch["token_type_ids"] == 0
    free = first[:, None, :] if seen is None else seen
    return causal(batch) | (free & first[:, :, None])[:, None]


def wide(_, batch):
    return causal(batch) & ~causal(batch, off=-4)  # four tokens where three are meant


def narrow(_, batch):
    return causal(batch) & ~causal(batch, off=-3)


FAULTS = {
    # name: (masks, batch, what the user says, rule that is broken)
    "off by one": (lambda _, b: causal(b, off=1) & padding(b), SHORT, "causal", "future"),
    "transposed": (lambda _, b: causal(b).mT & padding(b), SHORT, "causal", "future"),
    "one layer forgot": (
        lambda at, b: padding(b) if at else both(at, b),
        SHORT,
        "causal",
        "future",
    ),
    "no mask at all": (lambda *_: None, SHORT, "causal", "padding"),
    "inverted padding": (lambda _, b: never_empty(~padding(b)), SHORT, None, "padding"),
    "padding not masked as keys": (lambda _, b: padding(b).mT, SHORT, None, "padding"),
    "left padding, masked on the right": (
        lambda _, b: padding(b).flip(-1) & causal(b),
        sentences(9, 5, 12, left=True),
        "causal",
        "padding",
    ),
    "packing leak": (lambda _, b: causal(b), PACKED, "causal", "document"),
    "packed, one layer": (
        lambda at, b: causal(b) if at else causal(b) & documents(b),
        PACKED,
        "causal",
        "document",
    ),
    "a boolean mask that is added": (
        lambda _, b: (causal(b) & padding(b)).float(),
        SHORT,
        "causal",
        "future",
    ),
    "the wrong sign": (
        lambda _, b: -additive(causal(b) & padding(b), -1e4),
        SHORT,
        "causal",
        "future",
    ),
    "too small a number": (lambda _, b: additive(both(_, b), -1.0), SHORT, "causal", "future"),
    "a prefix that sees the rest": (
        lambda _, b: prefix(b, seen=torch.ones(2, 1, 12, dtype=torch.bool)),
        PREFIX,
        "prefix",
        "future",
    ),
    "window too wide": (wide, sentences(12, 12), 3, "window"),
    "padding told to queries and keys the wrong way round": (
        lambda _, b: b["attention_mask"].bool()[None, None],  # as many sentences as tokens
        sentences(4, 2, 3, 1),
        None,
        "padding",
    ),
    "each sentence's padding given to a head": (
        lambda _, b: b["attention_mask"].bool()[None, :, None],
        sentences(9, 5),
        None,
        "padding",
    ),
    "repeated for heads in the wrong order": (
        lambda _, b: b["attention_mask"].bool().repeat(2, 1).view(2, 2, 1, -1),
        sentences(9, 5),
        None,
        "padding",
    ),
    "one head forgot": (
        lambda at, b: torch.stack(
            [both(at, b)[:, 0], padding(b).expand(3, 1, 12, 12)[:, 0]], dim=1
        ),
        SHORT,
        "causal",
        "future",
    ),
    "packed, every border one too late": (
        lambda _, b: causal(b) & (documents(b) | documents(b).roll(1, -1)),
        PACKED,
        "causal",
        "document",
    ),
    "a prefix that is one too long": (
        lambda _, b: causal(b) | (torch.arange(12) < 6)[None, None, None],
        PREFIX,
        "prefix",
        "future",
    ),
    "a window to both sides": (
        lambda _, b: causal(b, off=2) & ~causal(b, off=-3),
        sentences(12, 12),
        3,
        "future",
    ),
    "a penalty for distance instead of a mask": (
        lambda *_: -(torch.arange(12) - torch.arange(12)[:, None]).abs()[None, None] / 2,
        SHORT,
        "causal",
        "future",
    ),
    "everything is masked": (
        lambda *_: torch.zeros(1, 1, 12, 12, dtype=torch.bool),
        SHORT,
        "causal",
        "blind",
    ),
    "nothing but itself": (
        lambda *_: torch.eye(12, dtype=torch.bool)[None, None],
        SHORT,
        "causal",
        "blind",
    ),
}
HEALTHY = {
    "causal": (both, SHORT, "causal"),
    "causal, left padding": (
        lambda at, b: never_empty(both(at, b)),
        sentences(9, 5, 12, left=True),
        "causal",
    ),
    "padding alone": (lambda _, b: padding(b), SHORT, None),
    "packed": (lambda _, b: causal(b) & documents(b), PACKED, "causal"),
    "packed, both ways": (lambda _, b: documents(b), PACKED, "full"),
    "prefix": (lambda _, b: prefix(b), PREFIX, "prefix"),
    "window": (narrow, sentences(12, 12), 3),
    "window, left padding that reads whatever it likes": (
        lambda at, b: never_empty(both(at, b) & narrow(at, b)),
        sentences(9, 5, 12, left=True),
        3,
    ),
    "added": (lambda at, b: additive(never_empty(both(at, b)), -1e4), SHORT, "causal"),
    "lowest number": (
        lambda at, b: additive(both(at, b), torch.finfo(torch.float32).min),
        SHORT,
        "causal",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_mask_is_found_with_its_rule_and_a_layer(name):
    masks, batch, mask, rule = FAULTS[name]
    audit = found(masks, batch, mask=mask)
    assert audit.holds is False
    broken = [check for check in audit.checks if check.leaks]
    assert rule in {check.rule for check in broken}
    first = next(check for check in broken if check.rule == rule)
    late = "one layer" in name or "packed, one" in name
    where = "" if rule == "blind" else f"layers.{int(late)}"
    assert first.first.startswith(where)
    what = "outputs of the tokens that were tried depend on no" if rule == "blind" else "pairs leak"
    assert f"{first.leaks:,} of {first.pairs:,} {what}" in audit.sentence


@pytest.mark.parametrize("name", HEALTHY)
def test_a_mask_that_holds_is_not_called_a_leak(name):
    masks, batch, mask = HEALTHY[name]
    audit = found(masks, batch, mask=mask)
    assert audit.holds is True, audit.sentence
    assert audit.sentence.startswith("mask: holds (0 of ")


def test_leaking_pairs_are_exactly_those_that_a_changed_token_moves():
    """The oracle: move one embedding, and look at which outputs move."""
    model = Masked(lambda _, b: causal(b, off=1)).eval()
    batch = sentences(10, 10)
    audit = audit_masks(model, batch, mask="causal", replay=lambda m, b: m(b))
    [check] = [check for check in audit.checks if check.rule == "future"]
    assert check.pairs == 2 * 45
    moved = 0
    with torch.no_grad():
        before = model(batch)
        for column in range(10):

            def shift(_, __, out, column=column):
                return out.index_add(1, torch.tensor([column]), torch.randn(2, 1, 16))

            handle = model.words.register_forward_hook(shift)
            change = (model(batch) - before).abs().amax(-1) > 1e-6
            handle.remove()
            moved += int(change[:, :column].sum())
    assert check.leaks == moved > 0


def test_a_batch_norm_mixes_the_sentences_of_a_batch():
    audit = found(both, SHORT, mask="causal", norm=nn.BatchNorm1d)
    assert "sentence" in {check.rule for check in audit.checks if check.leaks}


def test_a_mean_over_the_rows_mixes_them():
    mix = nn.Identity()
    mix.forward = lambda x: x + x.mean(0, keepdim=True)
    audit = found(both, SHORT, mask="causal", mix=mix)
    [rows] = [check for check in audit.checks if check.rule == "sentence"]
    assert rows.leaks > 0.8 * rows.pairs  # later columns are no part of a causal mean
    assert rows.first.startswith("mix")


def test_a_mean_over_padding_moves_the_answer():
    def pooled(x, _):
        return x.mean(1)

    def masked(x, batch):
        mask = batch["attention_mask"][..., None].float()
        return (x * mask).sum(1) / mask.sum(1)

    for pool, holds in ((pooled, False), (masked, True)):
        audit = found(lambda _, b: padding(b), SHORT, pooled=pool)
        assert audit.holds is holds
        assert ("answer" in {c.reader for c in audit.checks if c.leaks}) is not holds


class Translator(nn.Module):
    def __init__(self, *, masked):
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(50, 16)
        self.read, self.write, self.cross = Block(), Block(), Block()
        self.masked = masked

    def forward(self, batch):
        memory = self.read(self.words(batch["input_ids"]), padding(batch))
        target = batch["decoder_input_ids"]
        size = target.shape[1]
        x = self.write(self.words(target), torch.ones(size, size, dtype=torch.bool).tril())
        return self.cross(x, padding(batch) if self.masked else None, memory)


@pytest.mark.parametrize("masked", [True, False])
def test_cross_attention_that_sees_the_sources_padding_is_found(masked):
    batch = SHORT | {"decoder_input_ids": torch.randint(3, 50, (3, 7))}
    audit = audit_masks(Translator(masked=masked), batch, replay=lambda m, b: m(b))
    assert audit.holds is masked, audit.sentence
    if not masked:
        [leak] = [check for check in audit.checks if check.leaks]
        assert (leak.reader, leak.read, leak.rule) == ("target", "source", "padding")
        assert leak.first.startswith("cross")


class Dropping(nn.Module):
    """A wrapper that forgets to hand the mask on."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, **_):
        return self.model(input_ids=input_ids)


def test_a_wrapper_that_drops_the_mask_is_found():
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    torch.manual_seed(0)
    model = transformers.BertModel(config)
    assert audit_masks(model, SHORT).holds is True
    dropped = audit_masks(Dropping(model), SHORT)
    assert dropped.holds is False
    assert "layer.0.attention" in dropped.checks[0].first


def llama(*, layers=2):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    return transformers.LlamaForCausalLM(config)


@pytest.mark.parametrize("batch", [SHORT, {"input_ids": SHORT["input_ids"]}], ids=["padded", "not"])
def test_one_layer_that_says_it_is_not_causal_does_not_take_the_rule_from_the_others(batch):
    model = llama(layers=3)
    model.model.layers[1].self_attn.is_causal = False
    audit = audit_masks(model, batch, replay=lambda m, b: m(**b, use_cache=False))
    future = next(check for check in audit.checks if check.rule == "future")
    assert "is_causal of 2 of its 3 layers" in future.said_by
    # With padding, transformers makes one mask for all layers and no layer's own word counts.
    assert (future.leaks > 0) is ("attention_mask" not in batch)


def test_packed_sentences_leak_in_llama_with_a_cache_and_not_without():
    """What transformers does: restarting places keep documents apart only without its cache."""
    model = llama()
    apart = audit_masks(model, PACKED, replay=lambda m, b: m(**b, use_cache=False))
    assert apart.holds is True
    assert {check.rule for check in apart.checks} == {"document", "future", "sentence"}
    leaking = audit_masks(model, PACKED, replay=lambda m, b: m(**b))
    [leak] = [check for check in leaking.checks if check.leaks]
    assert (leak.rule, leak.leaks) == ("document", leak.pairs / 2)  # it is causal, still


def test_where_nobody_says_what_is_meant_nothing_is_claimed():
    batch = {"input_ids": SHORT["input_ids"]}
    audit = found(lambda *_: None, batch)
    assert (audit.holds, audit.checks) == (None, ())
    assert 'mask="causal"' in audit.sentence
    assert isinstance(audit, MaskAudit)


def test_labels_that_are_the_next_tokens_say_causal():
    ids = SHORT["input_ids"][:, :8]
    batch = {"input_ids": ids[:, :-1], "labels": ids[:, 1:]}
    assert found(lambda _, b: causal(b), batch).holds is True
    assert found(lambda *_: None, batch).holds is False
    assert found(lambda *_: None, batch | {"labels": ids[:, :-1]}).holds is None


def test_an_output_cut_off_from_its_tokens_is_judged_by_changing_them():
    class CutOff(Masked):
        def forward(self, batch):
            return super().forward(batch).detach()

    mix = nn.Identity()
    mix.forward = lambda x: x.detach()
    for off, holds in ((0, True), (1, False)):
        audit = found(
            lambda _, b, off=off: causal(b, off=off), sentences(8, 8), mask="causal", mix=mix
        )
        assert audit.holds is holds, audit.sentence


def test_the_model_its_gradients_and_all_random_states_are_as_before():
    model = Masked(both, norm=nn.BatchNorm1d).train()
    model(SHORT).sum().backward()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    grads = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    random = torch.get_rng_state()
    audit_masks(model, SHORT, mask="causal", replay=lambda m, b: m(b))
    assert model.training
    assert torch.equal(random, torch.get_rng_state())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    after = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(after, grads, strict=True))
