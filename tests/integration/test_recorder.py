"""A loop without Lightning, recorded."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.tensorboard import SummaryWriter

from attn_monitor import AttentionRecorder, open_run
from attn_monitor.cli import describe
from attn_monitor.core.errors import (
    BatchNotUnderstoodError,
    ConfigurationError,
    NothingCapturedError,
    NotRecordedError,
)
from attn_monitor.monitor.failures import AttentionMonitorWarning
from attn_monitor.recorder import read_batch
from tests.tiny_lightning import Tiny, loaders, words
from tests.wsgi_tab import Tab

SIZES = {"probes": 3, "train_probes": 2, "lens_sentences": 4, "signal_sentences": 6}
FEW = {"tokens": words, **SIZES}


def loop(model, recorder=None, *, epochs=2):
    """Train as people do without a trainer; return the losses."""
    torch.manual_seed(0)
    train, _ = loaders()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, step = [], 0
    for epoch in range(epochs):
        for ids, labels in train:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(ids), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            step += 1
        if recorder is not None:
            recorder.record(step=step, epoch=epoch + 1, scalars={"val_loss": loss.detach()})
    return losses


def tiny():
    torch.manual_seed(4)
    return Tiny()


def test_a_plain_loop_is_recorded_from_the_untrained_model_on(tmp_path):
    train, val = loaders()
    model = tiny()
    with AttentionRecorder(model, val, train_batches=train, log_dir=tmp_path, **FEW) as recorder:
        recorder.record(step=0, epoch=0)
        losses = loop(model, recorder)
        assert recorder.failures.count == 0
    run = open_run(tmp_path)
    assert list(run.steps) == [0, 4, 8]
    assert list(run.epochs) == [0, 1, 2]
    assert run.scalars(8)["val_loss"] == pytest.approx(losses[-1])
    splits = [p.split for p in run.probes]
    assert splits == ["val"] * 3 + ["train"] * 2 + ["lens"] * 4 + ["train_output"] * 4
    model.eval()
    probe = run.probes[0].source.text
    ids = torch.tensor([[1 if t == "[CLS]" else int(t.removeprefix("word")) + 2 for t in probe]])
    states = model.embed(ids)
    own = model.encoder.layers[0].self_attn(states, states, states, average_attn_weights=False)[1]
    seen = run.attention(step=8, probe=0, part="encoder", layer=0)
    np.testing.assert_allclose(seen, own[0].detach(), atol=4e-3)
    assert [run.watched(step) for step in run.steps] == ["it was the first pass", "", ""]
    assert "looked up where an earlier pass had seen it: 2 of 3 steps; every" in describe(run)


def test_a_model_that_changes_under_way_is_watched_again_and_the_step_says_so(tmp_path):
    _, val = loaders()
    model = tiny()
    with AttentionRecorder(model, val, log_dir=tmp_path, **FEW) as recorder:
        recorder.record(step=0, epoch=0)
        recorder.record(step=1, epoch=0)
        model.encoder.layers[1] = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        recorder.record(step=2, epoch=1)
        recorder.record(step=3, epoch=1)
        assert recorder.failures.count == 0
    run = open_run(tmp_path)
    assert [run.watched(step) for step in run.steps] == [
        "it was the first pass",
        "",
        "TransformerEncoderLayer was unexpected",
        "",
    ]
    maps = [
        [run.attention(step=step, probe=0, part="encoder", layer=at) for at in (0, 1)]
        for step in run.steps
    ]
    assert np.abs(maps[1][1] - maps[2][1]).max() > 0.01
    np.testing.assert_array_equal(maps[2], maps[3])
    np.testing.assert_array_equal(maps[0][0], maps[1][0])
    assert "it was the first pass; TransformerEncoderLayer was unexpected" in describe(run)


class ByHand(nn.Module):
    """Attention of heads of four entries, as many as its projections hold."""

    def __init__(self):
        super().__init__()
        self.made = nn.ModuleList(nn.Linear(16, 16) for _ in "qkv")

    def forward(self, x):
        q, k, v = (made(x).unflatten(-1, (-1, 4)).transpose(1, 2) for made in self.made)
        self.seen = (q @ k.mT).softmax(-1)
        mixed = (self.seen @ v).transpose(1, 2).flatten(2)
        return x + nn.functional.pad(mixed, (0, 16 - mixed.shape[-1]))

    def prune(self, heads):
        for made in self.made:
            for name in ("weight", "bias"):
                kept = getattr(made, name).detach()[: 4 * heads]
                setattr(made, name, nn.Parameter(kept))


class Changing(nn.Module):
    """Two layers of four heads; heads are pruned, layers skipped and added."""

    def __init__(self, *, active=2):
        super().__init__()
        torch.manual_seed(1)
        self.embed, self.active = nn.Embedding(100, 16), active
        self.layers = nn.ModuleList(ByHand() for _ in range(2))

    def forward(self, ids):
        return nn.Sequential(*self.layers[: self.active])(self.embed(ids))


def maps_of(run, step):
    return [
        np.stack([run.attention(step=step, probe=n, part="encoder", layer=at) for n in range(3)])
        for at in range(len(run.part("encoder").layers))
    ]


def changing(model, path):
    ids = torch.arange(1, 19).reshape(3, 6)
    return AttentionRecorder(model, [ids], log_dir=path, **{**SIZES, "lens_sentences": 0})


def test_heads_that_are_pruned_and_layers_that_are_skipped_are_said_and_recorded(tmp_path):
    model = Changing()
    with changing(model, tmp_path) as recorder:
        recorder.record(step=0, epoch=0)
        model.layers[0].prune(2)
        with pytest.warns(AttentionMonitorWarning, match="layers.0 had 4 heads and has 2; those"):
            recorder.record(step=1, epoch=1)
        model.active = 1
        with pytest.warns(AttentionMonitorWarning, match="layers.1 does not attend any more"):
            recorder.record(step=2, epoch=2)
    run = open_run(tmp_path)
    assert [layer.heads for layer in run.part("encoder").layers] == [4, 4]
    model.active = 2
    model(torch.arange(1, 19).reshape(3, 6))
    for step, layer, heads in ((0, 1, 4), (1, 0, 2), (1, 1, 4), (2, 0, 2), (2, 1, 0)):
        maps = maps_of(run, step)[layer]
        if step:
            own = model.layers[layer].seen.detach()[:, :heads]
            np.testing.assert_allclose(maps[:, :heads], own, atol=4e-3)
        assert np.isnan(maps[:, heads:]).all()
        entropy = run.metric("row_entropy", part="encoder")[step, layer]
        assert np.isnan(entropy).tolist() == [head >= heads for head in range(4)]


def test_a_layer_that_is_added_is_said_and_recorded_from_then_on(tmp_path):
    model, ids = Changing(active=1), torch.arange(1, 19).reshape(3, 6)
    with changing(model, tmp_path / "mine") as recorder:
        for step in range(4):
            if step == 2:
                model.active = 2
                said = pytest.warns(AttentionMonitorWarning, match=r"layers\.1 did not attend when")
            with said if step == 2 else nullcontext():
                recorder.record(step=step, epoch=step)
        assert recorder.failures.count == 1
    run = open_run(tmp_path / "mine")
    assert run.steps == (0, 1, 2, 3)
    late = "encoder (from step 2)"
    assert run.parts == ("encoder", late)
    assert [layer.name for layer in run.part(late).layers] == ["layers.1"]
    assert [run.probes[0].axes(run.part(name))[0].text for name in run.parts] == [
        tuple("123456")
    ] * 2
    model(ids)
    for step in (2, 3):
        for probe in range(3):
            maps = run.attention(step=step, probe=probe, part=late, layer=0)
            own = model.layers[1].seen[probe].detach()
            np.testing.assert_allclose(maps, own, atol=4e-3)
    with pytest.raises(NotRecordedError, match="step 1 has no maps"):
        run.attention(step=1, probe=0, part=late, layer=0)
    entropy = run.metric("row_entropy", part=late)
    assert np.isnan(entropy).all(axis=(1, 2)).tolist() == [True, True, False, False]
    assert not np.isnan(run.metric("row_entropy", part="encoder")).any()
    assert run.problems == ()
    tab = Tab(tmp_path)
    [shown] = tab.get("index").json["runs"]
    assert (shown["state"], shown["steps"]) == ("ok", 4)
    asked = {"run": "mine", "part": late, "probe": 0}
    answers = [tab.get("attention", step=step, **asked).status_code for step in range(4)]
    assert answers == [404, 404, 200, 200]


def test_training_is_the_same_with_and_without_a_recorder(tmp_path):
    plain, watched = tiny(), tiny()
    expected = loop(plain)
    train, val = loaders()
    with AttentionRecorder(watched, val, train_batches=train, log_dir=tmp_path, **FEW) as recorder:
        assert loop(watched, recorder) == expected
    assert watched.training
    state = watched.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in plain.state_dict().items())


def test_the_recording_is_in_the_tabs_index_beside_the_users_own_event_file(tmp_path):
    with SummaryWriter(tmp_path / "mine") as writer:
        writer.add_scalar("loss", 1.0, 0)
        with AttentionRecorder(
            tiny(), loaders()[1], log_dir=tmp_path / "mine", writer=writer, **FEW
        ) as recorder:
            recorder.record(step=0, epoch=0)
    assert len(list((tmp_path / "mine").glob("events.out.tfevents.*"))) == 1
    [run] = Tab(tmp_path).get("index").json["runs"]
    assert (run["name"], run["state"], run["steps"]) == ("mine", "ok", 1)


def test_a_recording_goes_on_where_a_checkpoint_was_made(tmp_path):
    val = list(loaders()[1])  # a list of batches does as well
    for resume, steps in ((None, (0, 4, 8)), (4, (8, 12)), (None, (0,))):
        with AttentionRecorder(
            tiny(), val, log_dir=tmp_path, resume_step=resume, **FEW
        ) as recorder:
            for step in steps:
                recorder.record(step=step, epoch=step // 4)
        kept = [0, 4] if resume else []
        assert list(open_run(tmp_path).steps) == kept + list(steps)


def test_what_goes_wrong_while_training_is_said_and_does_not_end_it(tmp_path):
    recorder = AttentionRecorder(tiny(), loaders()[1], log_dir=tmp_path, **FEW)
    recorder.record(step=4, epoch=1)
    with pytest.warns(AttentionMonitorWarning, match="got step 4 after step 4; steps must grow"):
        recorder.record(step=4, epoch=1)
    recorder.close()
    with pytest.warns(AttentionMonitorWarning, match="record within its with block"):
        recorder.record(step=8, epoch=2)
    assert recorder.failures.count == 2
    assert list(open_run(tmp_path).steps) == [4]


class Guess(nn.Module):
    def forward(self, ids):
        return ids.float().mean(1)


def test_what_cannot_work_raises_before_anything_is_trained(tmp_path):
    val = loaders()[1]
    with pytest.raises(NothingCapturedError, match="Guess"):
        AttentionRecorder(Guess(), val, log_dir=tmp_path)
    with pytest.raises(ConfigurationError, match=r"no sentence could be drawn from list: it gave"):
        AttentionRecorder(tiny(), [], log_dir=tmp_path)
    with pytest.raises(BatchNotUnderstoodError, match="describe_batch=tokens_of"):
        AttentionRecorder(tiny(), ["words"], log_dir=tmp_path)
    with pytest.raises(ConfigurationError, match="probes must be an integer >= 1, got 0"):
        AttentionRecorder(tiny(), val, log_dir=tmp_path, probes=0)
    with pytest.raises(ConfigurationError, match=r'like \("val_accuracy", "max"\), got'):
        AttentionRecorder(tiny(), val, log_dir=tmp_path, best=("val_accuracy", "highest"))
    with pytest.raises(ConfigurationError, match=r"missing 1 required .* 'labels'.*replay=lambda"):
        AttentionRecorder(NeedsLabels(), [{"input_ids": torch.ones(2, 3).long()}], log_dir=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"another with AttentionRecorder\(log_dir=...\)"):
        AttentionRecorder(tiny(), val, log_dir=tmp_path / "file")


class NeedsLabels(nn.Module):
    def forward(self, input_ids, labels):
        return input_ids, labels


class Takes(nn.Module):
    def forward(self, src, tgt, *, scale=1, flag=False):
        return src, tgt, scale, flag


def test_a_batch_becomes_the_arguments_that_forward_takes():
    assert read_batch(Takes(), (1, 2, 3)) == (1, 2, 1, False)
    named = {"src": 1, "tgt": 2, "scale": 5, "labels": 9}
    assert read_batch(Takes(), named) == (1, 2, 5, False)
    ids = torch.ones(1, 2)
    assert torch.equal(read_batch(nn.Identity(), ids), ids)


class OfTexts(nn.Sequential):
    """Takes one mapping, as sentence-transformers' models do."""

    def forward(self, input, **_):
        self.called = [*getattr(self, "called", ()), input]
        return input


def test_a_batch_of_pairs_is_a_call_for_each_of_its_texts():
    model = OfTexts()
    names = ("anchor_input_ids", "anchor_attention_mask", "positive_input_ids")
    batch = {name: torch.full((1, 2), number) for number, name in enumerate(names)}
    assert read_batch(model, {**batch, "label": torch.ones(1)}) is model.called[-1]
    assert [{key: int(value[0, 0]) for key, value in text.items()} for text in model.called] == [
        {"input_ids": 0, "attention_mask": 1},
        {"input_ids": 2},
    ]


def test_lightning_is_not_needed_to_record_a_plain_loop():
    use = "import attn_monitor, sys; attn_monitor.AttentionRecorder"
    check = f"{use}; print('lightning' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "False", done.stderr
