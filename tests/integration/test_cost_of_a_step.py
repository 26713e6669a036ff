"""What a recorded step does beside the replays, counted: it may not grow with the vocabulary."""

from __future__ import annotations

import collections

import lightning as L
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForMaskedLM

from attn_monitor import AttentionMonitor
from attn_monitor.monitor import fingerprint, layout, session, training

WORDS, TOKENS, SENTENCES = 20_000, 20, 2


class Words(L.LightningModule):
    """Predicts words."""

    def __init__(self):
        super().__init__()
        small = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
        self.bert = BertForMaskedLM(BertConfig(vocab_size=WORDS, hidden_size=8, **small))

    def training_step(self, batch, _):
        return self.bert(**batch).loss

    def validation_step(self, batch, _):
        self.bert(**batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def rows(seed, batches=1):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, WORDS, (batches * SENTENCES, TOKENS), generator=generator)
    return DataLoader([{"input_ids": row, "labels": row} for row in ids], SENTENCES)


class Counts(TorchDispatchMode):
    """Operations of this thread, and those that make something as large as scores of all words."""

    def __init__(self):
        super().__init__()
        self.made, self.ran = collections.Counter(), collections.Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.ran[func._schema.name] += 1
        for each in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(each, torch.Tensor) and each.numel() >= TOKENS * WORDS:
                given = {
                    x.untyped_storage().data_ptr() for x in args if isinstance(x, torch.Tensor)
                }
                if each.untyped_storage().data_ptr() not in given:
                    self.made[str(func), str(each.dtype)] += 1
        return result


def test_a_step_makes_of_a_large_vocabulary_what_the_model_makes(tmp_path, monkeypatch):
    steps, read = [], collections.Counter()
    observe, sums = session.Session.observe, fingerprint.sums

    def counted(self, **kwargs):
        with Counts() as counts:
            observe(self, **kwargs)
        steps.append((len(self.batches), counts.made, counts.ran))

    def summed(tensors, *, sampled=False):
        tensors = list(tensors)
        read["sampled" if sampled else "whole"] += len(tensors) > 20  # of the parameters, then
        return sums(tensors, sampled=sampled)

    monkeypatch.setattr(session.Session, "observe", counted)
    for module in (fingerprint, session, training):
        monkeypatch.setattr(module, "sums", summed)

    class Steps(L.Callback):
        def on_train_batch_start(self, *_):
            read.clear()

        def on_validation_end(self, *_):
            reads.append(dict(read))

    runs, run = collections.Counter(), layout._run

    def ran(model, batch, replay, *, shaking=False):
        runs[batch.split, batch.rows, id(batch.batch), shaking] += 1
        return run(model, batch, replay, shaking=shaking)

    monkeypatch.setattr(layout, "_run", ran)
    reads = []
    trainer = L.Trainer(
        accelerator="cpu",
        callbacks=[AttentionMonitor(log_images=False), Steps()],
        default_root_dir=tmp_path,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        max_epochs=2,
        val_check_interval=1,
    )
    torch.manual_seed(0)
    model = Words()
    assert len(list(model.parameters())) > 20
    trainer.fit(model, rows(1, batches=3), rows(2))
    model.eval()
    with torch.no_grad(), Counts() as own:
        model.validation_step(next(iter(rows(2))), 0)
    assert own.made
    batches, made, ran = steps[-1]
    assert made == collections.Counter({k: n * batches for k, n in own.made.items()})
    # Maps, metrics and sizes wait for the recording thread: of each attention call a few tensors
    # are copied, and of each batch a few numbers made.
    more = {name: count - batches * own.ran[name] for name, count in ran.items()}
    calls = batches  # of attention: one layer
    assert 0 < more["aten::clone"] <= 20 * calls
    assert sum(more.get(f"aten::{name}", 0) for name in ("_softmax", "softmax", "bmm")) == 0
    assert more["aten::matmul"] <= 2  # of W_O, once a step
    # Two fingerprints, and the weights before and after the validation.
    assert reads[-1] == {"sampled": 4}
    # Sentences join at three steps; what is certain of those before is not found again.
    assert [batches for batches, *_ in steps] == [2, 2, 3, 4, 4, 4, 4]
    assert set(runs.values()) == {1}
    assert sum(not shaking for *_, shaking in runs) == 4
