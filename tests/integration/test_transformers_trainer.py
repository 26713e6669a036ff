"""``AttentionCallback`` in the real ``transformers.Trainer``, on a small BERT of random weights."""

import warnings

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import TrainerCallback

from attn_monitor import AttentionCallback, open_run, record_checkpoints
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.monitor.failures import AttentionMonitorWarning
from tests.tiny_trainer import FEW, WORDS, Sentences, bert, trainer
from tests.wsgi_tab import Tab


def losses(trained):
    return [row["loss"] for row in trained.state.log_history if "loss" in row]


def assert_same(one, other):
    assert losses(one) == losses(other)
    assert [r.get("eval_loss") for r in one.state.log_history] == [
        r.get("eval_loss") for r in other.state.log_history
    ]
    ours = other.model.state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in one.model.state_dict().items())


class Peeking(TrainerCallback):
    """Keeps what the first layer of attention gets, first in every optimizer step."""

    seen = ()

    def on_train_begin(self, *_, model, **__):
        type(self).seen, self.waits = [], False
        layer = model.bert.encoder.layer[0].attention.self

        def keep(module, given, named):
            if self.waits and module.training:
                self.waits = False
                states = (given[0] if given else named["hidden_states"]).detach().double()
                weights = [x.detach().double().clone() for x in module.parameters()]
                mask = given[1] if len(given) > 1 else named.get("attention_mask")
                type(self).seen.append((weights, states, mask))

        layer.register_forward_pre_hook(keep, with_kwargs=True)

    def on_step_begin(self, *_, **__):
        self.waits = True


def check_scores(reading, weights, states, mask):
    """The oracle: scores in float64, from what entered the layer and its weights then."""
    q, k = (
        (states @ weight.T + bias).unflatten(-1, (2, 8)).transpose(1, 2)
        for weight, bias in zip(weights[0:4:2], weights[1:4:2], strict=True)
    )
    scores = q @ k.mT / 8**0.5
    if mask is not None:
        hidden = ~mask if mask.dtype == torch.bool else mask < 0
        scores = scores.masked_fill(hidden, -torch.inf)
    found = reading.heads["encoder"][:, 0]
    np.testing.assert_allclose(found[0], scores.amax((0, 2, 3)), rtol=1e-4)


@pytest.mark.parametrize("accumulation", [1, 4])
def test_losses_and_weights_are_the_same_bit_for_bit(accumulation, tmp_path):
    options = {"gradient_accumulation_steps": accumulation}
    plain = trainer(tmp_path / "a", **options)
    plain.train()
    callback = AttentionCallback(**FEW, watch=1)
    watched = trainer(tmp_path / "b", callback, Peeking(), **options)
    watched.train()
    assert callback.failures.count == 0
    assert_same(plain, watched)
    run = open_run(callback.run_dir)
    steps = 4 // accumulation
    readings = run.remarks.readings
    assert [reading.step for reading in readings] == list(range(2 * steps))
    for reading, (layer, states, visible) in zip(readings, Peeking.seen, strict=True):
        check_scores(reading, layer, states, visible)
    assert list(run.steps) == [0, steps, 2 * steps]
    assert list(run.epochs) == [0, 1, 2]
    last = [row for row in watched.state.log_history if "eval_loss" in row][-1]
    assert run.scalars(2 * steps)["eval_loss"] == last["eval_loss"]
    assert run.scalars(2 * steps)["loss"] == losses(watched)[-1]
    assert "eval_runtime" not in run.scalars(2 * steps)


def test_maps_are_those_of_the_model_and_words_those_of_its_tokenizer(tmp_path):
    callback = AttentionCallback(**FEW)
    watched = trainer(tmp_path, callback)
    watched.train()
    run = open_run(callback.run_dir)
    assert [p.split for p in run.probes[:5]] == ["val"] * 3 + ["train"] * 2
    words = run.probes[0].source.text
    assert (words[0], words[-1]) == ("[CLS]", "[SEP]")
    ids = torch.tensor([[WORDS.index(word) for word in words]])
    model = watched.model.eval()
    model.set_attn_implementation("eager")
    expected = model(input_ids=ids, output_attentions=True).attentions[1][0].detach()
    seen = run.attention(step=run.steps[-1], probe=0, part="encoder", layer=1)
    np.testing.assert_allclose(seen, expected, atol=4e-3)


def test_the_recording_lies_beside_the_trainers_event_file_and_opens_in_the_tab(tmp_path):
    callback = AttentionCallback(**FEW)
    trainer(tmp_path, callback, report_to="tensorboard").train()
    [run] = Tab(tmp_path).get("index").json["runs"]
    assert (run["state"], run["steps"]) == ("ok", 3)
    assert callback.run_dir.startswith(str(tmp_path))


@pytest.mark.parametrize("accumulation", [1, 4])
def test_a_resumed_training_goes_on_as_if_nobody_watched(accumulation, tmp_path):
    saving = {
        "save_strategy": "epoch",
        "gradient_accumulation_steps": accumulation,
        "load_best_model_at_end": True,
    }
    each = 4 // accumulation
    resumed = []
    for name, callbacks in (("a", ()), ("b", (AttentionCallback(**FEW),))):
        first = trainer(tmp_path / name, *callbacks, **saving)
        first.train()
        again = [AttentionCallback(**FEW) for _ in callbacks]
        second = trainer(tmp_path / name, *again, **saving, num_train_epochs=3)
        second.train(resume_from_checkpoint=str(tmp_path / name / f"checkpoint-{each}"))
        resumed.append(second)
    assert again[0].failures.count == 0
    assert_same(*resumed)
    run = open_run(again[0].run_dir)
    assert list(run.steps) == [0, each, 2 * each, 3 * each]
    assert list(run.epochs) == [0, 1, 2, 3]


def test_the_last_state_is_recorded_and_not_the_best_one_that_is_loaded_afterwards(tmp_path):
    states = {}

    class Keep(TrainerCallback):
        def on_epoch_end(self, args, state, control, model=None, **kwargs):  # noqa: ARG002
            states[state.global_step] = {k: v.clone() for k, v in model.state_dict().items()}

    callback = AttentionCallback(**FEW)
    watched = trainer(
        tmp_path,
        callback,
        Keep(),
        num_train_epochs=3,
        greater_is_better=True,  # of a loss: the first is the best
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
    )
    watched.train()
    assert watched.state.best_global_step < 12
    assert not torch.equal(
        states[12]["classifier.weight"], watched.model.state_dict()["classifier.weight"]
    )
    run = open_run(callback.run_dir)
    assert list(run.steps) == [0, 4, 8, 12]
    model = bert()
    model.load_state_dict(states[12])
    model.eval().set_attn_implementation("eager")
    ids = torch.tensor([[WORDS.index(word) for word in run.probes[0].source.text]])
    expected = model(input_ids=ids, output_attentions=True).attentions[0][0].detach()
    seen = run.attention(step=12, probe=0, part="encoder", layer=0)
    np.testing.assert_allclose(seen, expected, atol=4e-3)
    best = Tab(callback.run_dir).get("run", run=".").json["best"]
    assert best == {"step": watched.state.best_global_step, "name": "eval_loss"}
    watched.evaluate()
    assert list(open_run(callback.run_dir).steps)[-1] == 12


def test_sentences_are_taken_from_what_is_evaluated_where_the_trainer_has_none(tmp_path):
    class EvaluatesItself(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):  # noqa: ARG002
            if state.global_step == 4:
                watched.evaluate(Sentences(8, 2))

    callback = AttentionCallback(**FEW)
    watched = trainer(tmp_path, callback, EvaluatesItself(), evaluated=None, eval_strategy="no")
    watched.train()
    assert callback.failures.count == 0
    assert list(open_run(callback.run_dir).steps) == [4, 8]


def test_of_several_evaluation_sets_the_first_is_shown_and_a_step_recorded_once(tmp_path):
    callback = AttentionCallback(**FEW)
    sets = {"one": Sentences(8, 2), "two": Sentences(8, 3)}
    trainer(tmp_path, callback, evaluated=sets, eval_on_start=True).train()
    run = open_run(callback.run_dir)
    assert callback.failures.count == 0
    assert list(run.steps) == [0, 4, 8]
    assert "eval_one_loss" in run.scalars(0)


def test_every_n_steps_records_after_optimizer_steps(tmp_path):
    callback = AttentionCallback(every_n_steps=3, **FEW)
    trainer(tmp_path, callback, eval_strategy="no").train()
    assert list(open_run(callback.run_dir).steps) == [0, 3, 6]


def test_a_trainer_that_evaluates_nothing_is_told_and_trains_on(tmp_path):
    callback = AttentionCallback(**FEW)
    watched = trainer(tmp_path, callback, evaluated=None, eval_strategy="no")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        watched.train()
    texts = [str(w.message) for w in said if w.category is AttentionMonitorWarning]
    assert len(texts) == 1
    assert "Trainer(eval_dataset=...)" in texts[0]
    assert watched.state.global_step == 8


def test_wrong_options_are_refused_when_they_are_set():
    with pytest.raises(ConfigurationError, match="probes must be an integer >= 1, got 0"):
        AttentionCallback(probes=0)
    with pytest.raises(ConfigurationError, match="every_n_epochs"):
        AttentionCallback(every_n_epochs=0)
    with pytest.raises(ConfigurationError, match="watch must be an integer >= 1, got 0"):
        AttentionCallback(watch=0)


def test_its_checkpoints_give_what_was_recorded_live(tmp_path):
    callback = AttentionCallback(**FEW)
    watched = trainer(tmp_path / "out", callback, save_strategy="epoch")
    watched.train()
    plain = {"collate_fn": watched.data_collator, "batch_size": 4}
    record_checkpoints(
        bert(),
        DataLoader(watched.eval_dataset, **plain),
        str(tmp_path / "out" / "checkpoint-*"),
        log_dir=tmp_path / "late",
        train_batches=DataLoader(watched.train_dataset, **plain),
        tokens=watched.processing_class,
        **FEW,
    )
    live, late = open_run(callback.run_dir), open_run(tmp_path / "late")
    assert list(late.steps) == [4, 8]
    assert late.epochs == live.epochs[1:]
    assert late.scalars(8)["eval_loss"] == live.scalars(8)["eval_loss"]
    entropy = [run.metric("row_entropy", part="encoder")[-2:] for run in (live, late)]
    np.testing.assert_allclose(*entropy, rtol=1e-4)
