"""A training that is over, recorded from its checkpoints: what would have been recorded live."""

import shutil
from itertools import product

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from attn_monitor import AttentionMonitor, capture, open_run, record_checkpoints
from attn_monitor.cli import main
from attn_monitor.core.errors import ConfigurationError, NotRecordedError
from attn_monitor.store import RunWriter, verify_run
from tests.tiny_lightning import WORDS, Tiny, collate, loaders, words

FEW = {
    "tokens": words,
    "probes": 3,
    "train_probes": 2,
    "lens_sentences": 0,
    "signal_sentences": 0,
    "log_images": False,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train with the monitor, keeping a checkpoint of every epoch."""
    root = tmp_path_factory.mktemp("trained")
    L.seed_everything(3, verbose=False)
    keep = ModelCheckpoint(root / "kept", save_top_k=-1, monitor="val_loss")
    L.Trainer(
        max_epochs=3,
        accelerator="cpu",
        default_root_dir=str(root),
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
        callbacks=[AttentionMonitor(**FEW), keep],
    ).fit(Tiny(), *loaders())
    [live] = root.rglob("rank_0000")
    return open_run(live.parents[2]), root / "kept"


def recorded(live):
    """Return, as batches to draw from, the sentences that the live recording chose."""

    def of(split):
        texts = [probe.source.text for probe in live.probes if probe.split == split]
        return [collate([(torch.tensor([WORDS.index(w) for w in text]), 0) for text in texts])]

    return of("train"), of("val")


def assert_equal(live, late, steps):
    assert list(late.steps) == list(steps)
    assert [p.source.text for p in late.probes] == [p.source.text for p in live.probes]
    assert [p.split for p in late.probes] == ["val"] * 3 + ["train"] * 2
    for step in steps:
        for probe, layer in product(range(5), range(2)):
            maps = [
                run.attention(step=step, probe=probe, part="encoder", layer=layer)
                for run in (live, late)
            ]
            np.testing.assert_allclose(*maps, atol=1 / 255)
    for name in ("row_entropy", "prev"):
        at = [live.steps.index(step) for step in steps]
        np.testing.assert_allclose(
            late.metric(name, part="encoder"), live.metric(name, part="encoder")[at], rtol=1e-4
        )


def test_lightnings_checkpoints_give_what_was_recorded_live(trained, tmp_path):
    live, kept = trained
    assert (live.options["watched_metric"], live.options["watched_mode"]) == ("val_loss", "min")
    train, val = recorded(live)
    model, told = Tiny(), []
    before = {name: value.clone() for name, value in model.state_dict().items()}
    steps = record_checkpoints(
        model,
        val,
        str(kept / "*.ckpt"),
        log_dir=tmp_path,
        train_batches=train,
        progress=lambda *what: told.append(what),
        **FEW,
    )
    assert steps == (4, 8, 12)
    assert told[-1] == ("checkpoints", 3, 3)
    late = open_run(tmp_path)
    assert_equal(live, late, (4, 8, 12))
    assert late.epochs == live.epochs[1:]
    assert late.scalars(8)["val_loss"] == pytest.approx(live.scalars(8)["val_loss"])
    assert all(torch.equal(value, model.state_dict()[k]) for k, value in before.items())
    assert (
        record_checkpoints(
            model, val, str(kept / "*.ckpt"), log_dir=tmp_path, train_batches=train, **FEW
        )
        == ()
    )


def test_plain_state_dicts_are_taken_in_order_of_their_numbers_and_go_on(trained, tmp_path):
    live, kept = trained
    train, val = recorded(live)
    for path in kept.glob("*.ckpt"):
        content = torch.load(path, weights_only=True)
        inner = {f"model.{name}": value for name, value in content["state_dict"].items()}
        torch.save(inner, tmp_path / f"step_{content['global_step']}.pt")
    late = tmp_path / "late"
    (tmp_path / "step_12.pt").rename(tmp_path / "later.pt")
    for expected in ((4, 8), (12,)):
        assert (
            record_checkpoints(
                Tiny(), val, str(tmp_path / "step_*.pt"), log_dir=late, train_batches=train, **FEW
            )
            == expected
        )
        if expected == (4, 8):
            (tmp_path / "later.pt").rename(tmp_path / "step_12.pt")
    assert_equal(live, open_run(late), (4, 8, 12))


def test_a_checkpoint_that_cannot_be_used_is_named(tmp_path, capsys):
    val = loaders()[1]
    with pytest.raises(ConfigurationError, match=r"no checkpoint matches"):
        record_checkpoints(Tiny(), val, str(tmp_path / "*.pt"), log_dir=tmp_path / "x")
    torch.save({"a": torch.ones(2)}, tmp_path / "step_1.pt")
    with pytest.raises(ConfigurationError, match=r"step_1.pt does not fit Tiny: it lacks"):
        record_checkpoints(Tiny(), val, [tmp_path / "step_1.pt"], log_dir=tmp_path / "x", **FEW)
    torch.save(Tiny(), tmp_path / "step_2.pt")
    with pytest.raises(ConfigurationError, match=r"without running code that it holds"):
        record_checkpoints(Tiny(), val, [tmp_path / "step_2.pt"], log_dir=tmp_path / "x", **FEW)
    command = ["record", "--checkpoints", str(tmp_path / "step_1.pt"), "-o", str(tmp_path / "y")]
    assert main([*command, "--model", "nowhere:Model", "--data", "nowhere:data"]) == 1
    assert "nowhere:Model cannot be imported" in capsys.readouterr().err


def cut(texts):
    """Texts as ``Tiny`` reads them."""
    rows = [torch.tensor([1, *(WORDS.index(word) for word in text.split())]) for text in texts]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def bytes_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def maps(run, probe, step):
    return np.stack(
        [run.attention(step=step, probe=probe, part="encoder", layer=at) for at in range(2)]
    )


def test_a_sentence_asked_later_is_what_it_would_have_been_live(trained, tmp_path):
    live, kept = trained
    run = open_run(shutil.copytree(live.location, tmp_path / "run"))
    model, (first, second) = Tiny(), [" ".join(p.source.text[1:]) for p in run.probes[:2]]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    own, mean = bytes_below(tmp_path), run.metric("row_entropy", part="encoder")
    reads = {"tokens": words, "tokenizer": cut}
    asked = run.ask(model, [first, second], checkpoints=sorted(kept.glob("*.ckpt"))[:2], **reads)
    assert [run.probe(index).split for index in asked] == ["asked", "asked"]
    for step, (place, index) in product((4, 8), enumerate(asked)):
        assert run.probe(index).source == run.probe(place).source
        np.testing.assert_allclose(maps(run, index, step), maps(run, place, step), atol=1 / 255)
        at = run.steps.index(step)
        here, there = (run.metric_values(part="encoder", probe=p)[at] for p in (index, place))
        np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-6)
    with pytest.raises(NotRecordedError, match="not replayed at step 12, only at 4, 8"):
        maps(run, asked[0], 12)
    # Nothing that was there has changed, and nothing asked is in a mean.
    assert own.items() <= bytes_below(tmp_path).items()
    np.testing.assert_array_equal(run.metric("row_entropy", part="encoder"), mean)
    assert (run.steps, run.problems) == (live.steps, ())
    assert run.kept(asked[0]).form == "whole"
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    # Asked again it goes on, under the same number.
    assert run.ask(model, first, checkpoints=str(kept / "*.ckpt"), **reads) == asked[:1]
    np.testing.assert_allclose(maps(run, asked[0], 12), maps(run, 0, 12), atol=1 / 255)
    assert not verify_run(tmp_path / "run").problems
    # What a crash leaves of an ask hides nothing, and is named where it cannot be read.
    for name, text in (("asked_8300", ""), ("asked_8301", "{")):
        broken = tmp_path / "run" / "plugins" / "attn_monitor" / name
        broken.mkdir()
        if text:
            (broken / "run.json").write_text(text)
    again = open_run(tmp_path / "run")
    assert [probe.index for probe in again.probes if probe.split == "asked"] == list(asked)
    [problem] = again.problems
    assert "asked_8301" in problem
    shutil.rmtree(broken)
    # A training that starts over drops what was asked of the earlier one.
    with RunWriter(tmp_path / "run", run._view.ranks[0].session.info):
        pass
    assert open_run(tmp_path / "run")._view.asked == ()
    assert any("asked_8192" in name for name in verify_run(tmp_path / "run").leftovers)


def test_a_head_is_muted_as_if_its_columns_were_zero(trained, tmp_path, monkeypatch, capsys):
    live, kept = trained
    place = shutil.copytree(live.location, tmp_path / "run")
    [checkpoint] = kept.glob("*step=8.ckpt")
    monkeypatch.setattr("tests.tiny_lightning.cut", cut, raising=False)
    command = ["ask", str(place), "word3 word5 word3", "--checkpoint", str(checkpoint)]
    command += ["--model", "tests.tiny_lightning:Tiny", "--tokens", "tests.tiny_lightning:words"]
    command += ["--tokenizer", "tests.tiny_lightning:cut"]
    assert main([*command, "--mute", "L1H2"]) == 0
    assert "probe 8193 without encoder L1 H2: [CLS] word3 word5 word3" in capsys.readouterr().out
    run, model = open_run(place), Tiny()
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    with torch.no_grad():
        model.encoder.layers[0].self_attn.out_proj.weight[:, 8:] = 0
    with torch.no_grad(), capture(model.eval()) as seen:
        model(cut(["word3 word5 word3"]))
    silent = np.stack([seen["encoder"].weights(layer)[0].numpy() for layer in range(2)])
    np.testing.assert_allclose(maps(run, 8193, 8), silent, atol=1 / 255)
    np.testing.assert_allclose(maps(run, 8192, 8)[0], silent[0], atol=1 / 255)
    assert np.abs(maps(run, 8192, 8)[1] - silent[1]).max() > 0.01
    for wrong, said in (
        ("L3H1", "encoder has no L3 H1; its 2 layers have 2, 2 heads"),
        ("H1", "mute='H1' does not name a head; wanted \"encoder:L1H1\""),
    ):
        assert main([*command, "--mute", wrong]) == 1
        assert said in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match=r"step 5 was not recorded.*nearest that was: 4"):
        run.ask(model, "word3", step=5, tokens=words, tokenizer=cut)
    other = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 4, batch_first=True), 2)
    with pytest.raises(ConfigurationError, match="has other parts, layers or heads than"):
        run.ask(other, [torch.randn(1, 3, 8)], replay=lambda model, batch: model(batch))
