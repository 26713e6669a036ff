"""Words of models that choose, sort, mask or shuffle tokens while they run, at the next step."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from attn_monitor.analysis import MetricSet
from attn_monitor.monitor.batches import describe_any
from attn_monitor.monitor.failures import AttentionMonitorWarning, Failures
from attn_monitor.monitor.guard import repeatable, untouched
from attn_monitor.monitor.layout import find_layout
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.recorder import Recorder

BATCH = {
    "input_ids": torch.randperm(99, generator=torch.Generator().manual_seed(0))[:24].reshape(4, 6)
    + 1
}
MASK = 100
NOTES = []  # what was really read; put back after a replay, as all that a model can reach


class Reader(nn.Module):
    """Attends over tokens that ``choose`` picks: it returns vectors and their ids."""

    def __init__(self, choose):
        super().__init__()
        self.choose, self.embed, self.score = choose, nn.Embedding(101, 16), nn.Linear(16, 1)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, batch):
        x, ids = self.choose(self, batch["input_ids"])
        out, weights = self.attention(x, x, x, average_attn_weights=False)
        NOTES.append((ids.clone(), weights.detach()))
        return out


class Fused(nn.Module):
    """Attends with a kernel that keeps its weights, and can be told to do more after it."""

    def __init__(self):
        super().__init__()
        self.embed, self.more = nn.Embedding(101, 16), False
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, batch):
        x = self.embed(batch["input_ids"])
        out, _ = self.attention(x, x, x, need_weights=False)
        return torch.tanh(out) if self.more else out


def recorder_of(model):
    """Return a recorder of a model on the batch, how it is replayed, and the layout."""
    replay = repeatable(model, model)
    tokens = describe_any(BATCH)
    probes = ProbeBatch(split="val", batch=BATCH, tokens=tokens, rows=tuple(range(4)))
    failures = Failures()
    with untouched(model):
        layout = find_layout(model, [probes], replay, tokens=None, failures=failures)
    recorder = Recorder(
        model=model, layout=layout, metrics=MetricSet(()), budget_bytes=10**9, failures=failures
    )
    return recorder, replay, layout


def before_and_after(choose):
    """Return the words found at first, the maps after the weights moved, and what was read then."""
    torch.manual_seed(0)
    model = Reader(choose).eval()
    recorder, replay, layout = recorder_of(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    for drawn in (random.random, np.random.rand, torch.random.seed):  # training went on
        drawn()
    with untouched(model):
        seen = recorder.observe(replay)
    seen.finish()
    maps = seen.attention["encoder"]
    NOTES.clear()
    with torch.no_grad():
        replay(BATCH)
    return [probe.axes(layout.parts[0])[0].text for probe in layout.probes], maps, NOTES[-1]


def is_true(words, found, read):
    """Return whether a row of these ids had this map; what is shown as unknown may be any."""
    return any(
        np.allclose(found[0], weights, atol=1e-5)
        and all(
            word in (str(int(i)), f"#{at}")
            for at, (word, i) in enumerate(zip(words, ids, strict=True))
        )
        for ids, weights in zip(*read, strict=True)
    )


def by_score(place):
    def choose(model, ids):
        x = model.embed(ids)
        order = model.score(x)[..., 0].argsort(1)
        return place(x, order), ids.gather(
            1, place(torch.arange(6).expand(4, 6)[..., None], order)[..., 0]
        )

    return choose


PLACES = {
    "gathered": lambda x, o: x.gather(1, o[..., None].expand_as(x)),
    "scattered": lambda x, o: torch.zeros_like(x).scatter(1, o[..., None].expand_as(x), x),
    "put": lambda x, o: torch.zeros_like(x).index_put((torch.arange(4)[:, None], o), x),
    "added": lambda x, o: torch.zeros_like(x).scatter_add(1, o[..., None].expand_as(x), x),
    "added by row": lambda x, o: torch.stack(
        [torch.zeros_like(r).index_add(0, i, r) for r, i in zip(x, o, strict=True)]
    ),
    "by a list": lambda x, o: torch.stack([r[i] for r, i in zip(x, o.tolist(), strict=True)]),
    "by numpy": lambda x, o: torch.stack(
        [r[torch.from_numpy(i)] for r, i in zip(x, o.numpy(), strict=True)]
    ),
    "by selection": lambda x, o: torch.stack(
        [r.index_select(0, i) for r, i in zip(x, o, strict=True)]
    ),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_tokens_that_are_sorted_by_what_was_learned_have_no_words(place):
    with pytest.warns(AttentionMonitorWarning, match="[Pp]ositions are shown"):
        words, maps, read = before_and_after(by_score(place))
    assert words == [tuple(f"#{at}" for at in range(6))] * 4
    assert all(is_true(words[n], maps[n], read) for n in range(4))


def masked_by(draw):
    def choose(model, ids):
        ids = draw(ids)
        return model.embed(ids), ids

    return choose


DRAWS = {
    "tokens shuffled": lambda ids: ids.gather(1, torch.rand(ids.shape).argsort(1)),
    "rows shuffled": lambda ids: ids[torch.randperm(4)],
    "rows shuffled by numpy": lambda ids: ids[np.random.permutation(4)],
    "cut at random": lambda ids: ids[:, (start := random.randint(0, 2)) : start + 4],
    "masked at random": lambda ids: ids.masked_fill(torch.rand(ids.shape) < 0.3, MASK),
    "masked": lambda ids: ids.masked_fill(ids % 3 == 0, MASK),
    "shifted": lambda ids: torch.cat([torch.full_like(ids[:, :1], MASK), ids[:, :-1]], 1),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_what_a_step_draws_is_drawn_alike_at_every_step_and_words_are_those_that_were_read(draw):
    words, maps, read = before_and_after(masked_by(draw))
    assert all(is_true(words[n], maps[n], read) for n in range(4))
    unknown = sum(word.startswith("#") for text in words for word in text)
    assert unknown <= 4  # the start token, which is no token of the batch


def test_a_token_that_a_model_puts_in_another_s_place_is_unknown():
    def choose(model, ids):
        guessed = (model.embed(ids) @ model.embed.weight.T).roll(5, -1).argmax(-1) % 99 + 1
        ids = torch.where(ids % 3 == 0, guessed, ids)
        return model.embed(ids), ids

    words, maps, read = before_and_after(choose)
    assert all(is_true(words[n], maps[n], read) for n in range(4))
    assert any(word.startswith("#") for text in words for word in text)
    assert not all(word.startswith("#") for text in words for word in text)


def test_tables_with_a_numbering_of_their_own_do_not_rename_words():
    def choose(model, ids):
        kinds, places = (ids > 50).long(), (ids > 0).cumsum(1) * (ids > 0)
        x = model.embed(ids) + model.embed(kinds) + model.embed(places) + model.embed(ids // 10)
        return x, ids

    words, maps, read = before_and_after(choose)
    assert words == [tuple(map(str, row.tolist())) for row in BATCH["input_ids"]]
    assert all(is_true(words[n], maps[n], read) for n in range(4))


def test_the_calls_of_a_pass_that_is_repeated_do_not_wait_beside_those_of_the_repetition():
    model = Fused().eval()
    recorder, replay, _ = recorder_of(model)
    waiting, watched = [], []
    for more in (False, False, True):
        model.more = more
        with untouched(model):
            seen = recorder.observe(replay)
        waiting.append(len(seen.calls))
        watched.append(bool(seen.watched))
        seen.finish()
    assert waiting == [1, 1, 1]
    assert watched == [True, False, True]  # learned, gone by, and gone otherwise
