"""Masks in programs that are written otherwise: what is fed, where outputs lie, what chooses."""

import pytest
import torch
from masked_models import Masked, causal, padding, sentences
from torch import nn
from torch.nn import functional as F

from attn_monitor import audit_masks

SHORT, EVEN = sentences(9, 5, 12), sentences(12, 12, 12)
IDS = EVEN["input_ids"]
PROMPT = 3
TARGET = sentences(8, 5, 7, width=9)["input_ids"]


def both(_, batch):
    return causal(batch) & padding(batch)


def audited(model, batch, **said):
    return audit_masks(model, batch, **{"replay": lambda m, b: m(b)} | said)


def broken(audit):
    return {check.rule for check in audit.checks if check.leaks}


class Prompted(Masked):
    """Learned tokens before the sentence."""

    def __init__(self, off):
        own = torch.ones(PROMPT + 12, PROMPT + 12, dtype=torch.bool).tril(off)
        super().__init__(lambda _, b: own & F.pad(padding(b), (PROMPT, 0), value=True))

    def forward(self, batch):
        ids = batch["input_ids"]
        x = torch.cat([self.places.weight[-PROMPT:].expand(len(ids), -1, -1), self.words(ids)], 1)
        for at, layer in enumerate(self.layers):
            x = layer(x, self.masks(at, batch))
        return self.answer(x)


class Convolved(nn.Module):
    """Channels before tokens."""

    def __init__(self, pad):
        super().__init__()
        self.words, self.pad = nn.Embedding(50, 16), pad
        self.read, self.mix = nn.Conv1d(16, 48, 1), nn.Conv1d(16, 16, 3)

    def forward(self, batch):
        x = self.words(batch["input_ids"]).mT
        q, k, v = (y.mT for y in self.read(x).chunk(3, 1))
        x = x + F.scaled_dot_product_attention(q, k, v, is_causal=True).mT
        return x + self.mix(F.pad(x, self.pad))


class Flat(nn.Module):
    """Packed sentences without an axis for rows."""

    def __init__(self, apart):
        super().__init__()
        self.words, self.read, self.out = nn.Embedding(50, 16), nn.Linear(16, 48), nn.Linear(16, 16)
        self.apart = apart

    def forward(self, batch):
        x = self.words(batch["input_ids"])
        size = len(x)
        of = torch.bucketize(torch.arange(size), batch["cu_seqlens"].long(), right=True)
        mask = torch.ones(size, size, dtype=torch.bool).tril()
        q, k, v = self.read(x).chunk(3, -1)
        mask = mask & (of == of[:, None]) if self.apart else mask
        return x + self.out(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))


class Indexed(Masked):
    """Looks its words up by an index."""

    def __init__(self, masks):
        super().__init__(masks)
        self.table = self._modules.pop("words").weight

    def words(self, ids):
        return self.table[ids]


class Latents(nn.Module):
    """Learned queries read the tokens: there is no output per token."""

    def __init__(self, masked):
        super().__init__()
        self.words, self.latents = nn.Embedding(50, 16), nn.Parameter(torch.randn(4, 16))
        self.read, self.masked = nn.MultiheadAttention(16, 2, batch_first=True), masked

    def forward(self, batch):
        x = self.words(batch["input_ids"])
        hidden = batch["attention_mask"] == 0 if self.masked else None
        read, _ = self.read(self.latents.expand(len(x), -1, -1), x, x, key_padding_mask=hidden)
        return read.mean(1)


class Both(Masked):
    """Returns a sentence's answer before its hidden states."""

    def __init__(self, weigh):
        super().__init__(lambda _, b: padding(b))
        self.weigh = weigh

    def forward(self, batch):
        hidden = super().forward(batch)
        weights = self.weigh(batch["attention_mask"])[..., None]
        return (hidden * weights).sum(1) / weights.sum(1), hidden


class Experts(nn.Module):
    """Four experts; tokens choose one, or experts choose a quarter of all tokens."""

    def __init__(self, *, experts_choose):
        super().__init__()
        self.gate, self.experts = nn.Linear(16, 4), nn.Parameter(torch.randn(4, 16, 16) * 0.3)
        self.experts_choose = experts_choose

    def forward(self, x):
        flat = x.flatten(0, 1)
        shares = self.gate(flat).softmax(-1)
        if self.experts_choose:
            taken = torch.zeros_like(shares).scatter(0, shares.topk(len(flat) // 4, 0).indices, 1)
        else:
            taken = F.one_hot(shares.argmax(-1), 4)
        found = torch.einsum("ne,nd,edo->no", shares * taken, flat, self.experts)
        return x + found.view_as(x)


class Told(Masked):
    """Reads a pair of tensors, the second of which is what it should have said."""

    def forward(self, pair):
        return super().forward({"input_ids": pair[0]})


class Fed(Masked):
    """A step that feeds all tokens but the last."""

    def forward(self, ids):
        return super().forward({"input_ids": ids[:, :-1]})


FLAT = {"input_ids": IDS[0], "cu_seqlens": torch.tensor([0, 5, 9, 12])}
PROGRAMS = {
    # name: (a model that holds, one that does not, batch, what the user says, the broken rule)
    "own tokens": (lambda: Prompted(0), lambda: Prompted(1), SHORT, "causal", "future"),
    "channels": (lambda: Convolved((2, 0)), lambda: Convolved((1, 1)), EVEN, "causal", "future"),
    "flat": (lambda: Flat(apart=True), lambda: Flat(apart=False), FLAT, "causal", "document"),
    "indexed": (
        lambda: Indexed(both),
        lambda: Indexed(lambda _, b: padding(b)),
        SHORT,
        "causal",
        "future",
    ),
    "latents": (
        lambda: Latents(masked=True),
        lambda: Latents(masked=False),
        SHORT,
        None,
        "padding",
    ),
    "answer first": (
        lambda: Both(lambda x: x),
        lambda: Both(torch.ones_like),
        SHORT,
        None,
        "padding",
    ),
    "pairs": (
        lambda: Told(lambda _, b: causal(b)),
        lambda: Told(lambda *_: None),
        (IDS[:, :-1], IDS[:, 1:]),
        None,
        "future",
    ),
    "without the last": (
        lambda: Fed(lambda _, b: causal(b)),
        lambda: Fed(lambda _, b: causal(b, off=1)),
        IDS,
        "causal",
        "future",
    ),
    "experts": (
        lambda: Masked(both, mix=Experts(experts_choose=False)),
        lambda: Masked(both, mix=Experts(experts_choose=True)),
        EVEN,
        "causal",
        "sentence",
    ),
    "a mask that is one short": (
        lambda: Masked(lambda _, b: padding(b)),
        lambda: Masked(lambda _, b: padding(b) & padding(b).roll(-1, -1)),
        sentences(9, 5, 11, width=12),
        None,
        "unread",
    ),
    "causal where both ways was meant": (
        lambda: Masked(lambda _, b: padding(b)),
        lambda: Masked(both),
        SHORT,
        "full",
        "unread",
    ),
    "sentences and tokens exchanged": (
        lambda: nn.Sequential(
            nn.Embedding(50, 16), nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        ),
        lambda: nn.Sequential(nn.Embedding(50, 16), nn.TransformerEncoderLayer(16, 2, 32)),
        IDS,
        "full",
        "sentence",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_at_fault_only_where_its_mask_is(name):
    holds, leaks, batch, mask, rule = PROGRAMS[name]
    for make, wanted in ((holds, True), (leaks, False)):
        torch.manual_seed(0)
        audit = audited(make(), batch, mask=mask)
        assert audit.holds is wanted, audit.sentence
        assert wanted or rule in broken(audit), audit.sentence


def test_a_choice_names_the_module_that_chooses():
    audit = audited(Masked(both, mix=Experts(experts_choose=True)), EVEN, mask="causal")
    assert "first in mix (Experts), by a choice that no gradient shows" in audit.sentence


class Translating(nn.Module):
    """`nn.Transformer` as tutorials use it; ``forgotten`` is one of its masks."""

    def __init__(self, forgotten):
        super().__init__()
        self.words = nn.Embedding(50, 16, padding_idx=0)
        self.places = nn.Embedding(20, 16)
        self.inner = nn.Transformer(16, 2, 1, 1, 32, batch_first=True)
        self.forgotten = forgotten

    def forward(self, pair):
        source, target = pair[0], pair[1][:, :-1]
        embed = [self.words(x) + self.places(torch.arange(x.shape[1])) for x in (source, target)]
        later = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        masks = {
            "tgt_mask": later,
            "src_key_padding_mask": source == 0,
            "tgt_key_padding_mask": target == 0,
            "memory_key_padding_mask": source == 0,
        }
        return self.inner(*embed, **{n: x for n, x in masks.items() if n != self.forgotten})


@pytest.mark.parametrize("width", [9, 12])
@pytest.mark.parametrize(
    ("forgotten", "reader", "read", "rule"),
    [
        ("", "", "", ""),
        ("tgt_mask", "target", "target", "future"),
        ("memory_key_padding_mask", "target", "source", "padding"),
        ("src_key_padding_mask", "source", "source", "padding"),
    ],
)
def test_a_decoder_is_judged_by_what_it_is_fed(forgotten, reader, read, rule, width):
    torch.manual_seed(0)
    target = F.pad(TARGET, (0, width - 9))
    audit = audited(Translating(forgotten), (SHORT["input_ids"], target))
    found = {(c.reader, c.read, c.rule) for c in audit.checks}
    assert {("target", "target", "future"), ("target", "source", "padding")} <= found
    assert audit.holds is (not rule), audit.sentence
    assert not rule or (reader, read, rule) in {
        (c.reader, c.read, c.rule) for c in audit.checks if c.leaks
    }


def test_labels_moved_by_one_are_what_a_translation_model_is_fed():
    transformers = pytest.importorskip("transformers")
    sizes = {"vocab_size": 50, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1}
    config = transformers.T5Config(**sizes, num_heads=2, decoder_start_token_id=0)
    torch.manual_seed(0)
    labels = TARGET.masked_fill(TARGET == 0, -100)
    model = transformers.T5ForConditionalGeneration(config)
    for given in (labels, SHORT["input_ids"]):  # told to say what it reads, too
        audit = audit_masks(model, SHORT | {"labels": given})
        assert audit.holds is True, audit.sentence
        assert ("target", "target", "future") in {(c.reader, c.read, c.rule) for c in audit.checks}


def test_two_texts_are_no_source_and_target():
    class Compared(nn.Module):
        def __init__(self):
            super().__init__()
            self.reads = Masked(lambda _, b: padding(b))

        def forward(self, pair):
            each = [{"input_ids": x, "attention_mask": (x != 0).long()} for x in pair]
            one, other = (self.reads(batch).mean(1) for batch in each)
            return (one * other).sum(1)

    audit = audited(Compared(), (SHORT["input_ids"], TARGET))
    assert (audit.holds, audit.checks) == (None, ())


def test_numbers_per_token_are_no_answer_of_the_sentence():
    class Spans(Masked):
        def forward(self, batch):
            return super().forward(batch)[..., 0]

    assert audited(Spans(lambda _, b: padding(b)), SHORT).holds is True


def test_a_batch_norm_mixes_sentences_and_its_mask_holds():
    audit = audited(Masked(both, norm=nn.BatchNorm1d), SHORT, mask="causal")
    assert broken(audit) == {"sentence"}
