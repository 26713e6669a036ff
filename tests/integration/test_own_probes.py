"""Probes that the user gives, as texts and as batches, wherever a model is recorded."""

import re
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from attn_monitor import AttentionCallback, AttentionMonitor, AttentionRecorder, open_run
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.monitor.failures import AttentionMonitorWarning
from attn_monitor.signals.assess import assess
from tests.tiny_lightning import WORDS, Sentences, Tiny, collate, loaders, trainer, words
from tests.tiny_trainer import FEW, bert, tokenizer
from tests.tiny_trainer import WORDS as BERT_WORDS
from tests.tiny_trainer import trainer as transformers_trainer

TEXTS = ["word3 word7 word1", "word2", "word5 word5 word4 word9"]
COUNTS = {"train_probes": 2, "lens_sentences": 2, "signal_sentences": 9, "log_images": False}


def cut(texts):
    """The user's way from texts to what ``Tiny.forward`` takes; it draws, as some do."""
    torch.rand(1)
    rows = [torch.tensor([1, *(WORDS.index(word) for word in text.split())]) for text in texts]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def monitor(**options):
    given = {"tokens": words, "tokenizer": cut, "probes": TEXTS, **COUNTS}
    return AttentionMonitor(**{**given, **options})


def fitted(root, *callbacks, epochs=1, **fit):
    torch.manual_seed(3)
    model, run = Tiny(), trainer(root, *callbacks, epochs=epochs)
    run.fit(model, *loaders(), **fit)
    return run, model


def by_hand(model, ids):
    """The first layer's weights, ``[head, query, key]``, of one sentence without padding."""
    model.eval()
    with torch.no_grad():
        x = model.embed(ids[None])
        attention = model.encoder.layers[0].self_attn
        return attention(x, x, x, need_weights=True, average_attn_weights=False)[1][0]


def assert_maps(run, model, probe, ids):
    assert list(run.probes[probe].source.text) == words(ids.tolist())
    found = run.attention(step=run.steps[-1], probe=probe, part="encoder", layer=0)
    np.testing.assert_allclose(found, by_hand(model, ids), atol=2e-3)


def test_texts_are_recorded_in_a_training_that_does_not_notice(tmp_path):
    _, plain = fitted(tmp_path / "plain")
    watching = monitor()
    watched, model = fitted(tmp_path / "watched", watching)
    assert watching.failures.count == 0
    assert model.losses == plain.losses
    assert model.validated == plain.validated
    run = open_run(watched.logger.log_dir)
    splits = [probe.split for probe in run.probes]
    assert splits[:3] == ["val"] * 3
    counts = {"val": 3, "train": 2, "lens": 2, "val_output": 7, "train_output": 7}
    assert {split: splits.count(split) for split in splits} == counts
    # What the user made up is no validation sentence: those that were drawn are compared.
    balance = {signal.name: signal for signal in assess(run).signals}["probe_balance"]
    assert (balance.n_val, balance.n_train) == (9, 9)
    for probe, text in enumerate(TEXTS):
        assert_maps(run, model, probe, cut([text])[0])


def test_a_resumed_training_has_them_again_and_others_where_others_are_given(tmp_path):
    run, _ = fitted(tmp_path / "first", monitor())
    run.save_checkpoint(tmp_path / "one.ckpt")
    resumed = {"ckpt_path": tmp_path / "one.ckpt", "weights_only": True, "epochs": 2}
    again, _ = fitted(tmp_path / "second", monitor(), **resumed)
    first, second = (open_run(each.logger.log_dir) for each in (run, again))
    assert first.probes == second.probes
    drawn, _ = fitted(tmp_path / "third", monitor(probes=1), **resumed)
    third = open_run(drawn.logger.log_dir)
    assert [p.split for p in third.probes].count("val") == 1
    assert third.probes[0].source.text not in {p.source.text for p in first.probes[:3]}
    trained = [[p.source for p in r.probes if p.split == "train"] for r in (first, third)]
    assert trained[0] == trained[1]


def test_batches_need_no_loader_and_no_step(tmp_path):
    model, dataset = Tiny(), Sentences(9, seed=7)
    given = [collate([dataset[3], dataset[1]]), collate([dataset[8]])]
    before = [x.clone() for x, _ in given]
    with AttentionRecorder(model, log_dir=tmp_path, probes=given, tokens=words) as recorder:
        recorder.record(step=0, epoch=0)
    assert recorder.failures.count == 0
    run = open_run(tmp_path)
    assert [p.split for p in run.probes] == ["val"] * 3
    for probe, row in enumerate((3, 1, 8)):
        assert_maps(run, model, probe, dataset[row][0])
    assert all(torch.equal(x, was) for (x, _), was in zip(given, before, strict=True))


def test_batches_are_what_the_step_takes(tmp_path):
    dataset = Sentences(9, seed=7)
    watching = monitor(probes=[collate([dataset[3], dataset[1]])], tokenizer=None)
    run, model = fitted(tmp_path, watching)
    assert watching.failures.count == 0
    for probe, row in enumerate((3, 1)):
        assert_maps(open_run(run.logger.log_dir), model, probe, dataset[row][0])


@pytest.mark.parametrize("evaluated", [True, None])
def test_texts_for_a_transformers_trainer_need_its_tokenizer_alone(evaluated, tmp_path):
    callback = AttentionCallback(**{**FEW, "probes": ["word1 word2", "word9"]})
    strategy = {} if evaluated else {"eval_strategy": "no"}
    trained = transformers_trainer(tmp_path, callback, evaluated=evaluated, **strategy)
    trained.train()
    assert callback.failures.count == 0
    run = open_run(callback.run_dir)
    assert run.probes[1].source.text == ("[CLS]", "word9", "[SEP]")
    assert [p.split for p in run.probes].count("val") == 2
    ids = torch.tensor([[BERT_WORDS.index(word) for word in run.probes[0].source.text]])
    model = trained.model.eval()
    model.set_attn_implementation("eager")
    expected = model(input_ids=ids, output_attentions=True).attentions[1][0].detach()
    found = run.attention(step=run.steps[-1], probe=0, part="encoder", layer=1)
    np.testing.assert_allclose(found, expected, atol=4e-3)


def test_a_tokenizer_without_padding_reads_text_by_text(tmp_path):
    own = type(tokenizer())(vocab={word: at for at, word in enumerate(BERT_WORDS)})
    own.pad_token = None
    texts = ["word1 word2", "word9"]
    with AttentionRecorder(bert(), log_dir=tmp_path, probes=texts, tokenizer=own) as recorder:
        recorder.record(step=0, epoch=0)
    found = [probe.source.text for probe in open_run(tmp_path).probes]
    assert found == [("[CLS]", "word1", "word2", "[SEP]"), ("[CLS]", "word9", "[SEP]")]


SAMPLE = Sentences(1, seed=1)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probes": []}, r"integer >= 1, got \[\]; a list of texts or of batches"),
        ({"probes": "word1"}, "got 'word1'"),
        ({"probes": True}, "got True"),
        ({"probes": torch.ones(2, 3, dtype=torch.long)}, "got a Tensor"),
        ({"probes": ["word1", SAMPLE]}, "holds 1 texts and 1 other things; wanted texts alone"),
        ({"probes": ["word1"] * 1025}, "1025 sentences or more; at most 1024"),
        ({"probes": [(torch.ones(1025, 3).long(),)]}, "1025 sentences or more; at most 1024"),
        ({"probes": TEXTS, "tokenizer": "bert"}, "tokenizer='bert' must be a callable"),
        ({"probes": TEXTS, "tokenizer": None}, "nothing says how they become what the model"),
        ({"probes": TEXTS, "tokenizer": lambda texts: cut(texts)[:2]}, "made 2 rows of 3 texts"),
        ({"probes": TEXTS, "tokenizer": lambda texts: {"input_ids": texts}}, "no tensors of 3"),
        ({"probes": TEXTS, "tokenizer": lambda texts: 0 * cut(texts)}, "'word3 word7 word1', of"),
        ({"probes": [SAMPLE]}, r"probes\[0\] looks like one sample.*collate_fn"),
        ({"probes": [torch.zeros(2, 3).long()]}, r"probes\[0\] holds no sentence"),
    ],
)
def test_what_cannot_be_a_probe_is_refused_before_anything_is_trained(options, message, tmp_path):
    model = Tiny()
    with pytest.raises(ConfigurationError, match=message):
        trainer(tmp_path, monitor(**options)).fit(model, *loaders())
    assert model.losses == []
    given = {"tokens": words, "tokenizer": cut, **options}
    with pytest.raises(ConfigurationError, match=message):
        AttentionRecorder(model, log_dir=tmp_path, **given)


def test_texts_that_neither_forward_nor_the_step_reads_are_said(tmp_path):
    watching = monitor(tokenizer=lambda texts: {"input_ids": cut(texts)})
    run = trainer(tmp_path, watching, epochs=1)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        run.fit(Tiny(), *loaders())
    said = [str(each.message) for each in found if each.category is AttentionMonitorWarning]
    assert len(said) == 1
    assert re.search(r"neither forward \(.*'ids'\) nor the step \(.*\) of Tiny can read", said[0])
