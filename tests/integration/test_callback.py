"""AttentionMonitor in real Lightning runs."""

import json
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from attn_monitor import AttentionMonitor, open_run
from attn_monitor.core.errors import ConfigurationError
from tests.tiny_lightning import WORDS, Tiny, loaders, trainer
from tests.watched_training import fit, monitor, run_dir, the_monitor_says


def test_training_is_bit_identical_with_and_without_the_monitor(tmp_path):
    plain, run_plain = fit(tmp_path / "a", epochs=3)
    watched, run_watched = fit(tmp_path / "b", monitor(), epochs=3)
    assert plain.losses == watched.losses
    assert run_plain.callback_metrics == run_watched.callback_metrics
    assert plain.validated == watched.validated
    state = watched.state_dict()
    assert plain.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in plain.state_dict().items())
    assert len(open_run(run_dir(run_watched)).steps) == 4


def test_every_epoch_is_recorded_once_from_the_untrained_model_on(tmp_path):
    _, run = fit(tmp_path, monitor(), epochs=3)
    recording = open_run(run_dir(run))
    assert list(recording.steps) == [0, 4, 8, 12]
    assert list(recording.epochs) == [0, 1, 2, 3]
    shown = [p.split for p in recording.probes if p.measured]
    assert shown == ["val"] * 4 + ["train"] * 3
    assert recording.probes[0].source.text[0] == "[CLS]"
    assert recording.probes[0].source.special == (0,)
    assert recording.scalars(12)["val_loss"] == pytest.approx(
        float(run.callback_metrics["val_loss"])
    )


def test_recorded_attention_is_what_the_model_computes_itself(tmp_path):
    model, run = fit(tmp_path, monitor())
    recording = open_run(run_dir(run))
    probe = recording.probes[1]
    ids = torch.tensor(
        [[int(t.removeprefix("word")) + 2 if "word" in t else 1 for t in probe.source.text]]
    )
    model.eval()
    states = model.embed(ids)
    for index, layer in enumerate(model.encoder.layers):
        _, own = layer.self_attn(states, states, states, average_attn_weights=False)
        seen = recording.attention(step=8, probe=1, part="encoder", layer=index)
        # The store keeps 8 bits of a square root: half a code is 0.4 % of the row's maximum.
        np.testing.assert_allclose(seen, own[0].detach(), atol=4e-3)
        np.testing.assert_allclose(seen.sum(-1), 1, atol=1e-5)
        states = layer(states)


def test_metrics_are_computed_on_the_original_floats_of_all_probes(tmp_path):
    _, run = fit(tmp_path, monitor())
    recording = open_run(run_dir(run))
    values = recording.metric("self", part="encoder")
    assert values.shape == (3, 2, 2)
    by_hand = [
        np.trace(recording.attention(step=8, probe=p, part="encoder", layer=1)[0])
        / len(recording.probes[p].source)
        for p in range(4)
    ]
    assert values[2, 1, 0] == pytest.approx(np.mean(by_hand), abs=4e-3)


def test_queries_keys_and_values_of_further_validation_sentences_are_those_of_the_model(tmp_path):
    model, run = fit(tmp_path, monitor(lens_sentences=5))
    recording = open_run(run_dir(run))
    lens = [p for p in recording.probes if p.split == "lens"]
    assert len(lens) == 5
    assert {p.source.text for p in lens}.isdisjoint(
        p.source.text for p in recording.probes if p.split == "val"
    )
    seen = recording.vectors(step=8, part="encoder", layer=0, head=1)
    ids = torch.tensor([[WORDS.index(t) for t in lens[0].source.text]])
    attention = model.encoder.layers[0].self_attn
    projected = torch.nn.functional.linear(
        model.embed(ids)[0], attention.in_proj_weight, attention.in_proj_bias
    )
    own = projected.detach().numpy()[:, 8:16]
    mine = seen.query_probe == lens[0].index
    np.testing.assert_allclose(seen.query[mine], own, atol=2e-3)
    assert len(seen.query) == sum(len(p.source) for p in lens)
    carried = projected.detach().numpy()[:, 32 + 8 : 32 + 16]
    np.testing.assert_allclose(seen.value[seen.key_probe == lens[0].index], carried, atol=2e-3)


def test_a_schedule_in_steps_records_between_validations(tmp_path):
    _, run = fit(tmp_path, monitor(every_n_steps=3))
    assert list(open_run(run_dir(run)).steps) == [0, 3, 6]


def test_every_second_epoch_and_always_the_last(tmp_path):
    _, run = fit(tmp_path, monitor(every_n_epochs=2), epochs=3)
    assert list(open_run(run_dir(run)).epochs) == [0, 2, 3]


def test_the_event_file_holds_scalars_a_picture_and_the_plugins_tensors(tmp_path):
    _, run = fit(tmp_path, monitor(), logger=TensorBoardLogger(tmp_path))
    events = EventAccumulator(str(run_dir(run))).Reload()
    tags = events.Tags()
    assert "z_attention/row_entropy/encoder" in tags["scalars"]
    assert "attention/encoder" in tags["images"]
    assert [e.step for e in events.Scalars("z_attention/monitor_errors")] == [0, 4, 8]
    assert {e.value for e in events.Scalars("z_attention/monitor_errors")} == {0.0}
    recording = open_run(run_dir(run))
    from tensorboard.util.tensor_util import make_ndarray

    last = make_ndarray(events.Tensors("attention/metrics/encoder")[-1].tensor_proto)
    np.testing.assert_allclose(
        last[:, :, 0], recording.metric("row_entropy", part="encoder")[-1], rtol=1e-6
    )
    marker = make_ndarray(events.Tensors("attention/marker")[-1].tensor_proto)
    assert json.loads(marker[0])["step"] == 8
    metadata = events.SummaryMetadata("attention/marker")
    assert metadata.plugin_data.plugin_name == "attn_monitor"


def test_pictures_of_fast_steps_are_skipped_but_never_the_last(tmp_path):
    _, run = fit(tmp_path, monitor(), epochs=4)
    events = EventAccumulator(str(run_dir(run)), {"images": 0})
    events.Reload()
    steps = [image.step for image in events.Images("attention/encoder")]
    recorded = list(open_run(run_dir(run)).steps)
    assert steps[0] == recorded[0]
    assert steps[-1] == recorded[-1]
    assert set(steps) <= set(recorded)


def test_beside_a_csv_logger_the_monitor_opens_its_own_event_file(tmp_path):
    _, run = fit(tmp_path, monitor(), logger=CSVLogger(tmp_path))
    directory = run_dir(run)
    assert open_run(directory).steps
    assert list(directory.glob("events.out.tfevents.*"))


def test_among_several_loggers_the_tensorboard_one_is_found(tmp_path):
    loggers = [CSVLogger(tmp_path / "csv"), TensorBoardLogger(tmp_path / "tb")]
    fit(tmp_path, monitor(), logger=loggers)
    assert open_run(loggers[1].log_dir).steps
    assert len(list(Path(loggers[1].log_dir).glob("events.out.tfevents.*"))) == 1


def test_without_a_logger_every_run_gets_a_directory_of_its_own(tmp_path):
    for _ in range(2):
        fit(tmp_path, monitor(), logger=False, epochs=1)
    found = sorted(p.name for p in (tmp_path / "attention_logs").iterdir())
    assert found == ["version_0", "version_1"]
    assert list(open_run(tmp_path / "attention_logs" / "version_1").steps) == [0, 4]


def test_testing_and_validating_are_recorded_as_runs_of_their_own(tmp_path):
    model, run = fit(tmp_path, monitor())
    run.test(model, loaders()[1], verbose=False)
    run.validate(model, loaders()[1], verbose=False)
    for phase in ("test", "validate"):
        recording = open_run(run_dir(run) / phase)
        assert list(recording.steps) == [8]
        assert recording.options["phase"] == phase
        assert {p.split for p in recording.probes} == {"val", "lens"}
    assert list(open_run(run_dir(run)).steps) == [0, 4, 8]


def test_a_resumed_training_continues_the_recording_and_drops_what_was_undone(tmp_path):
    logger = TensorBoardLogger(tmp_path, version="one")
    _, run = fit(tmp_path, monitor(), epochs=1, logger=logger)
    checkpoint = tmp_path / "after_one.ckpt"
    run.save_checkpoint(checkpoint)
    fit(tmp_path, monitor(), epochs=2, logger=TensorBoardLogger(tmp_path, version="one"))
    L.seed_everything(1, verbose=False)
    again = trainer(
        tmp_path, monitor(), epochs=3, logger=TensorBoardLogger(tmp_path, version="one")
    )
    again.fit(Tiny(), *loaders(), ckpt_path=checkpoint, weights_only=False)
    recording = open_run(run_dir(again))
    assert list(recording.steps) == [0, 4, 8, 12]
    assert list(recording.epochs) == [0, 1, 2, 3]


class AttentionPool(nn.Linear):
    pass


class WithoutAttention(Tiny):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Identity()
        self.attention_pool = AttentionPool(16, 16)

    def forward(self, ids):
        return self.classify(self.attention_pool(self.embed(ids)).mean(1))


def test_a_model_without_attention_is_told_what_looks_like_it_and_trains_on(tmp_path):
    with the_monitor_says("attention_pool"):
        model, _ = fit(tmp_path, monitor(), model=WithoutAttention(), fails=True)
    assert len(model.losses) == 8


class OddBatches(Tiny):
    def training_step(self, batch, index):
        return super().training_step((batch["what"], batch["mood"]), index)

    def validation_step(self, batch, index):
        super().validation_step((batch["what"], batch["mood"]), index)


def test_the_words_of_a_batch_in_unknown_fields_are_followed_to_the_attention(tmp_path):
    def odd(samples):
        from tests.tiny_lightning import collate

        ids, labels = collate(samples)
        return {"what": ids, "mood": labels}

    train, val = loaders()
    for loader in (train, val):
        loader.collate_fn = odd
    model, run = OddBatches(), trainer(tmp_path, monitor())
    run.fit(model, train, val)
    assert len(model.losses) == 8
    followed = open_run(run_dir(run))
    assert (followed.part("encoder").rows, followed.part("encoder").words) == ("seen", "seen")
    assert followed.probes[0].source.text[0] == "[CLS]"
    described = monitor(describe_batch=lambda batch: batch["what"])
    run = trainer(tmp_path, described)
    run.fit(OddBatches(), train, val)
    assert open_run(run_dir(run)).probes[0].source.text[0] == "[CLS]"


def test_tokens_of_the_wrong_length_are_named_and_positions_shown(tmp_path):
    short = monitor(tokens=lambda ids: ["x"] * (len(ids) - 1))
    with the_monitor_says("wanted one string per id"):
        _, run = fit(tmp_path, short, fails=True)
    assert open_run(run_dir(run)).probes[0].source.text[:2] == ("#0", "#1")


class AddsAToken(Tiny):
    def forward(self, ids):
        states = self.embed(torch.nn.functional.pad(ids, (1, 0), value=1))
        return self.classify(self.norm(self.encoder(states)[:, 0]))


def test_tokens_that_a_model_adds_stand_among_the_words_by_their_position(tmp_path):
    _, run = fit(tmp_path, monitor(), model=AddsAToken())
    recording = open_run(run_dir(run))
    words = recording.probes[0].source
    length = len(words)
    added = [i for i, word in enumerate(words.text) if word == f"#{i}"]
    assert len(added) == 1
    assert added[0] in words.special
    assert "[CLS]" in words.text
    assert recording.attention(step=0, probe=0, part="encoder", layer=0).shape[-1] == length


def test_two_monitors_in_one_trainer_are_refused_since_they_would_share_a_recording(tmp_path):
    with pytest.raises(RuntimeError, match=r"more than one stateful callback.*AttentionMonitor"):
        trainer(tmp_path, monitor(), monitor())  # Lightning sees that their states would collide
    run = trainer(tmp_path, monitor())
    run.callbacks.append(monitor())
    with pytest.raises(ConfigurationError, match=r"more than one AttentionMonitor.*Keep one"):
        run.fit(Tiny(), *loaders())
    assert not list(tmp_path.rglob("run.json"))


def test_an_unwritable_log_directory_is_refused_in_setup(tmp_path):
    (tmp_path / "file").write_text("in the way")
    model = Tiny()
    run = trainer(tmp_path / "file", monitor(), logger=False)
    with pytest.raises(ConfigurationError, match="cannot write to the log directory") as error:
        run.fit(model, *loaders())
    assert "default_root_dir" in str(error.value)
    assert model.losses == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probes": 0}, r"probes must be an integer >= 1, got 0"),
        ({"every_n_steps": 0}, r"every_n_steps must be an integer >= 1"),
        ({"budget_mb": 0.0}, r"budget_mb must be > 0"),
    ],
)
def test_an_impossible_option_is_refused_at_once(options, message):
    with pytest.raises(ConfigurationError, match=message):
        AttentionMonitor(**options)


class FailsOnProbes(Tiny):
    def forward(self, ids):
        if len(ids) < 16:
            raise RuntimeError("only whole batches")
        return super().forward(ids)


def test_an_error_in_the_replay_is_said_once_and_training_goes_on(tmp_path):
    with the_monitor_says("only whole batches"):
        model, _ = fit(tmp_path, monitor(), model=FailsOnProbes(), fails=True)
    assert len(model.losses) == 8


def test_an_error_while_writing_is_counted_and_training_goes_on(tmp_path):
    class FillsTheDisk(L.Callback):
        def on_train_epoch_end(self, trainer, pl_module):  # noqa: ARG002
            steps = Path(trainer.log_dir) / "plugins" / "attn_monitor" / "rank_0000" / "steps"
            for file in steps.glob("*"):
                file.unlink()
            if steps.is_dir():
                steps.rmdir()
            steps.write_text("in the way")

    watching = monitor()
    with the_monitor_says("while writing step"):
        model, _ = fit(tmp_path, watching, FillsTheDisk(), fails=True)
    assert len(model.losses) == 8
    assert watching.failures.count >= 1


class SpoilsTheEventFile(L.Callback):
    def on_train_epoch_end(self, trainer, pl_module):  # noqa: ARG002
        logs = Path(trainer.default_root_dir) / "attention_logs"
        for events in [path for path in logs.glob("*/events.*") if path.is_file()]:
            events.unlink()
            events.mkdir()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_event_file_that_cannot_be_written_ends_no_training(tmp_path):
    plain, _ = fit(tmp_path / "plain", logger=False)
    with the_monitor_says("IsADirectoryError"):
        model, _ = fit(tmp_path, SpoilsTheEventFile(), monitor(), fails=True, logger=False)
    assert model.losses == plain.losses
    assert list(open_run(tmp_path / "attention_logs" / "version_0").steps) == [0, 4, 8]


def test_what_was_recorded_survives_a_training_that_fails(tmp_path):
    class Stops(L.Callback):
        def on_train_epoch_end(self, trainer, pl_module):  # noqa: ARG002
            raise RuntimeError("out of luck")

    run = trainer(tmp_path, monitor(), Stops())
    with pytest.raises(RuntimeError, match="out of luck"):
        run.fit(Tiny(), *loaders())
    assert list(open_run(run_dir(run)).steps) == [0, 4]


def test_a_small_budget_keeps_fewer_maps_and_all_metrics(tmp_path):
    _, run = fit(tmp_path, monitor(budget_mb=0.0005))
    recording = open_run(run_dir(run))
    assert recording.options["maps_kept"] < 7
    assert recording.metric_values(part="encoder", probe=6).shape[0] == 3
    assert np.isfinite(recording.metric_values(part="encoder", probe=6)[..., 0]).all()


def test_what_the_model_answers_to_every_probe_is_recorded(tmp_path):
    model, run = fit(tmp_path, monitor())
    recording = open_run(run_dir(run))
    val = recording.outputs("output_entropy")
    assert val.shape == (len(recording.steps), 4)
    assert recording.outputs("output_entropy", split="train").shape == (len(recording.steps), 3)
    assert recording.outputs("hidden_norm").min() > 0
    model.eval()
    ids = torch.tensor([[WORDS.index(token) for token in recording.probes[1].source.text]])
    with torch.no_grad():
        chance = model(ids).softmax(-1)[0]
    wanted = float(torch.special.entr(chance).sum() / np.log(2))
    assert val[-1, 1] == pytest.approx(wanted, abs=1e-5)
    assert recording.outputs("confidence")[-1, 1] == pytest.approx(float(chance.max()), abs=1e-5)
