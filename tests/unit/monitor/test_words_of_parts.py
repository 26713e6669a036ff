"""Parts, rows and words of models that read more than one plain text."""

import pytest
import torch
from torch import nn

from attn_monitor import capture
from attn_monitor.capture.sources import Sources
from attn_monitor.monitor.batches import describe_any
from attn_monitor.monitor.failures import AttentionMonitorWarning, Failures
from attn_monitor.monitor.layout import find_layout
from attn_monitor.monitor.probes import ProbeBatch

IDS = torch.arange(1, 25).reshape(4, 6)
OTHER = torch.arange(30, 66).reshape(4, 9)


def layout_of(model, batch, replay, **described):
    tokens = describe_any(batch, **described)
    probes = ProbeBatch(split="val", batch=batch, tokens=tokens, rows=tuple(range(len(tokens))))
    with torch.no_grad():
        return find_layout(model.eval(), [probes], replay, tokens=None, failures=Failures())


def words(layout, part, probe=0):
    query, key = layout.probes[probe].axes(layout.part(part))
    return query.text, key.text


def spoken(row):
    return tuple(map(str, row.tolist()))


def encoder(layers=2):
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    return nn.TransformerEncoder(layer, layers)


class Towers(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.encoder = nn.Embedding(80, 16), encoder()

    def forward(self, *texts):
        return [self.encoder(self.embed(ids)).mean(1) for ids in texts]


@pytest.mark.parametrize("other", [IDS + 30, OTHER], ids=["as long", "longer"])
def test_a_module_called_on_two_texts_is_two_parts_each_with_its_words(other):
    batch = {"anchor": {"input_ids": IDS}, "positive": {"input_ids": other}}
    model = Towers()
    layout = layout_of(model, batch, lambda b: model(*(t["input_ids"] for t in b.values())))
    assert [part.name for part in layout.parts] == ["encoder (anchor)", "encoder (positive)"]
    assert {len(part.layers) for part in layout.parts} == {2}
    assert {(part.rows, part.words) for part in layout.parts} == {("seen", "seen")}
    for probe in range(4):
        assert words(layout, "encoder (anchor)", probe) == (spoken(IDS[probe]),) * 2
        assert words(layout, "encoder (positive)", probe) == (spoken(other[probe]),) * 2


def test_a_text_that_a_step_reads_twice_is_one_part():
    model = Towers()
    layout = layout_of(model, IDS, lambda ids: model(ids, ids))
    assert [(part.name, len(part.layers)) for part in layout.parts] == [("encoder", 2)]


class SomeAtATime(Towers):
    """Runs the stack over a few sentences after the others, each cut to its length."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def forward(self, ids):
        some = ids.flip(0).split(self.most)
        return [super(SomeAtATime, self).forward(x[:, : int((x != 0).sum(1).max())]) for x in some]


@pytest.mark.parametrize("most", [1, 3])
def test_a_loop_over_sentences_is_one_text(most):
    ids = torch.arange(1, 25).reshape(4, 6)
    ids[1, 3:] = 0
    model = SomeAtATime(most)
    layout = layout_of(model, ids, model, pad_id=0)
    (part,) = layout.parts
    assert (part.name, len(part.layers), part.rows, part.words) == ("encoder", 2, "seen", "seen")
    for probe in range(4):
        assert words(layout, "encoder", probe) == (spoken(ids[probe][ids[probe] != 0]),) * 2
    shown = {piece.probe for pieces in layout.pieces[0].values() for piece in pieces}
    assert shown == {0, 1, 2, 3}


class Joined(Towers):
    def forward(self, batch):
        return super().forward(torch.cat([batch["positive"], batch["anchor"]]))


def test_two_texts_joined_along_the_batch_are_two_parts_each_with_its_words():
    batch, model = {"anchor": IDS, "positive": IDS + 30}, Joined()
    layout = layout_of(model, batch, model)
    assert {part.name for part in layout.parts} == {"encoder (anchor)", "encoder (positive)"}
    for probe in range(4):
        assert words(layout, "encoder (anchor)", probe) == (spoken(IDS[probe]),) * 2
        assert words(layout, "encoder (positive)", probe) == (spoken(IDS[probe] + 30),) * 2
    for pieces in layout.pieces[0].values():
        for piece in pieces:
            assert piece.matrices[0] // 2 == piece.probe + (4 if "anchor" in piece.part else 0)


class TwoTargets(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(80, 16)
        self.net = nn.Transformer(16, 2, 1, 1, 32, batch_first=True)

    def forward(self, batch):
        memory = self.net.encoder(self.embed(batch["src"]))
        ahead = torch.ones(6, 6, dtype=torch.bool).triu(1)
        targets = (self.embed(batch[name]) for name in ("one", "two"))
        return [self.net.decoder(target, memory, tgt_mask=ahead) for target in targets]


def test_a_memory_that_two_targets_ask_is_one_encoder_and_each_target_has_its_name():
    batch, model = {"src": IDS, "one": IDS + 30, "two": IDS + 50}, TwoTargets()
    layout = layout_of(model, batch, model)
    assert [part.name for part in layout.parts] == [
        "encoder (src)",
        *("decoder (one)", "cross (one)", "decoder (two)", "cross (two)"),
    ]
    assert words(layout, "cross (two)", 1) == (spoken(IDS[1] + 50), spoken(IDS[1]))
    assert words(layout, "cross (one)", 1) == (spoken(IDS[1] + 30), spoken(IDS[1]))


class SharedLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.layer = nn.Embedding(80, 16), encoder(1)

    def forward(self, ids):
        return self.layer(self.layer(self.embed(ids)))


def test_a_layer_used_twice_on_one_text_stays_two_layers():
    model = SharedLayer()
    layout = layout_of(model, IDS, model)
    assert [(part.name, len(part.layers)) for part in layout.parts] == [("encoder", 2)]


class OneHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(16, 8) for _ in range(3))

    def forward(self, x):
        return (self.q(x) @ self.k(x).mT).softmax(-1) @ self.v(x)


class ListOfHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList(OneHead() for _ in range(2))

    def forward(self, x):
        return x + torch.cat([head(x) for head in self.heads], -1)


class Lesson(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(80, 16)
        self.blocks = nn.Sequential(ListOfHeads(), ListOfHeads(), ListOfHeads())

    def forward(self, ids):
        return self.blocks(self.embed(ids))


def test_heads_that_are_modules_of_their_own_are_heads_of_one_layer():
    model = Lesson()
    (part,) = layout_of(model, IDS, model).parts
    assert [layer.heads for layer in part.layers] == [2, 2, 2]
    assert part.layers[1].name == "blocks.1.heads"


class Windows(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter, self.encoder = nn.Linear(1, 16), encoder(1)

    def forward(self, batch):
        windows = torch.cat([row.unfold(0, 4, 2)[:3] for row in batch["series"]])
        return self.encoder(self.enter(windows[..., None]))


class Channels(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter, self.encoder = nn.Linear(10, 16), encoder(1)

    def forward(self, batch):
        return self.encoder(self.enter(batch["series"][None]))


def test_a_batch_without_ids_has_rows_of_its_own_and_positions_for_words():
    batch, model = {"series": torch.randn(4, 10)}, Windows()
    layout = layout_of(model, batch, model)
    (part,) = layout.parts
    assert (part.rows, part.words) == ("seen", "position")
    (pieces,) = layout.pieces[0].values()
    assert [piece.matrices[0] // 2 for piece in pieces] == [0, 3, 6, 9]
    assert words(layout, "encoder")[0] == ("#0", "#1", "#2", "#3")


def test_series_that_are_tokens_of_one_sentence_are_one_probe():
    batch, model = {"series": torch.randn(4, 10)}, Channels()
    layout = layout_of(model, batch, model)
    assert len(layout.probes) == 1
    assert layout.parts[0].rows == "position"


def test_labels_that_do_not_fit_are_refused_and_not_cut():
    batch, model = {"series": torch.randn(4, 10)}, Windows()
    with (
        pytest.warns(AttentionMonitorWarning, match="3 maps of every sentence"),
        pytest.warns(AttentionMonitorWarning, match="tokens long, the attention reads 4 by 4"),
    ):
        layout = layout_of(model, batch, model, describe_batch=lambda _: [list("abcde")] * 4)
    assert words(layout, "encoder")[0] == ("#0", "#1", "#2", "#3")


class AsksFromTheFirst(nn.Module):
    """Keys carry a learned prefix, and the last block asks from the first token alone."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(80, 16)
        self.prefix = nn.Parameter(torch.randn(2, 16))
        self.inner = nn.MultiheadAttention(16, 2, batch_first=True)
        self.last = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, ids):
        x = self.embed(ids)
        keys = torch.cat([self.prefix.expand(len(ids), -1, -1), x], 1)
        x = x + self.inner(x, keys, keys)[0]
        return self.last(x[:, :1], x, x)[0]


def test_queries_and_keys_may_differ_in_number_and_keep_their_words():
    model = AsksFromTheFirst()
    layout = layout_of(model, IDS, model)
    assert {part.kind for part in layout.parts} == {"self"}
    by_shape = {tuple(map(len, words(layout, part.name))): part.name for part in layout.parts}
    assert words(layout, by_shape[6, 8], 1) == (spoken(IDS[1]), ("#0", "#1", *spoken(IDS[1])))
    assert words(layout, by_shape[1, 6], 1) == (spoken(IDS[1, :1]), spoken(IDS[1]))


class Latents(nn.Module):
    """A few vectors of its own ask the text, and then each other: a Perceiver."""

    def __init__(self):
        super().__init__()
        self.embed, self.latents = nn.Embedding(80, 16), nn.Parameter(torch.randn(3, 16))
        self.ask = nn.MultiheadAttention(16, 2, batch_first=True)
        self.think = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, ids):
        x, latents = self.embed(ids), self.latents.expand(len(ids), -1, -1)
        latents = latents + self.ask(latents, x, x)[0]
        return self.think(latents, latents, latents)[0]


def test_vectors_of_the_models_own_that_ask_the_text_ask_across():
    model = Latents()
    layout = layout_of(model, IDS, model)
    cross = next(part for part in layout.parts if part.kind == "cross")
    assert [layer.name for layer in cross.layers] == ["ask"]
    assert words(layout, cross.name, 1) == (("#0", "#1", "#2"), spoken(IDS[1]))
    assert [part.kind for part in layout.parts if part is not cross] == ["self"]


def test_queries_that_nothing_names_are_what_their_lineage_says():
    named = torch.arange(1, 7).reshape(1, 1, 6)
    sources = Sources(
        number=0, query=torch.zeros(1, 1, 3), key=named, digests=torch.zeros(1, 1).double()
    )
    assert sources.settled("self", lambda: True) == "self"  # picked by their scores: an Informer
    assert sources.settled("self", lambda: False) == "cross"  # a Perceiver's latents


class Attend(nn.Module):
    def forward(self, q, k, v):
        return torch.bmm(torch.bmm(q, k.mT).softmax(2), v)


class Heads(nn.Module):
    """Each head is a call of one module on `[sentence, query, key]`."""

    def __init__(self):
        super().__init__()
        self.n_head, self.attend = 2, Attend()
        self.q, self.k = (nn.ModuleList(nn.Linear(8, 4) for _ in range(2)) for _ in range(2))

    def forward(self, horizon, x):
        heads = zip(self.q, self.k, strict=True)
        return torch.stack([self.attend(q(horizon), k(x), x) for q, k in heads]).mean(0)


class Forecaster(nn.Module):
    """The horizon, of which the batch says nothing, asks the history."""

    def __init__(self, *, flat):
        super().__init__()
        self.flat = flat  # the first module that runs sees no axis of sentences
        self.past, self.memory = nn.Linear(3, 8), nn.LSTM(8, 8, batch_first=True)
        self.future, self.heads = nn.Parameter(torch.randn(4, 8)), Heads()

    def forward(self, batch):
        past = batch["past"]
        if self.flat:
            read = self.past(past.flatten(0, 1)).unflatten(0, past.shape[:2])
        else:
            read = self.past(past)
        history = self.memory(read)[0]
        horizon = self.future.expand(len(history), -1, -1)
        return self.heads(horizon, torch.cat([history, horizon], 1))


@pytest.mark.parametrize("flat", [False, True])
def test_heads_that_are_calls_are_not_heads_made_of_other_sentences(flat):
    batch, model = {"past": torch.randn(6, 12, 3)}, Forecaster(flat=flat)
    if not flat:
        with torch.no_grad(), capture(model) as seen:
            model(batch)
        assert {record.shape for record in seen.records} == {(6, 1, 4, 16)}
    layout = layout_of(model, batch, model)
    (part,) = layout.parts
    assert (part.heads, part.rows, len(layout.probes)) == (2, "seen", 6)
    shown = sorted(
        (piece.probe, piece.first_head, piece.matrices)
        for pieces in layout.pieces[0].values()
        for piece in pieces
    )
    assert shown == [(probe, head, (probe,)) for probe in range(6) for head in range(2)]


class Table(nn.Module):
    """A token per column: numbers are normalised over the rows, categories embedded."""

    def __init__(self):
        super().__init__()
        self.norm, self.scale = nn.BatchNorm1d(3), nn.Parameter(torch.randn(3, 16))
        self.embed, self.encoder = nn.Embedding(9, 16), encoder(1)

    def forward(self, batch):
        numbers = self.norm(batch["continuous"])[..., None] * self.scale
        return self.encoder(torch.cat([numbers, self.embed(batch["categorical"])], 1))


def test_rows_are_known_behind_a_norm_over_the_batch():
    batch = {"continuous": torch.randn(5, 3), "categorical": torch.randint(1, 9, (5, 2))}
    model = Table()
    assert [part.rows for part in layout_of(model, batch, model).parts] == ["seen"]
