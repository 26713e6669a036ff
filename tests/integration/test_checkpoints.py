"""A training that is over, recorded from its checkpoints: what would have been recorded live."""

from itertools import product

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from attn_monitor import AttentionMonitor, open_run, record_checkpoints
from attn_monitor.cli import main
from attn_monitor.core.errors import ConfigurationError
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
