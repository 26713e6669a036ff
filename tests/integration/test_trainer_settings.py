"""``transformers.Trainer`` as it is set up elsewhere, with and without the callback."""

import types

import numpy as np
import pytest
import torch
from torch.utils.data import IterableDataset
from transformers import (
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    Trainer,
)
from transformers.trainer_utils import EvalLoopOutput

from attn_monitor import AttentionCallback, open_run
from tests.tiny_trainer import FEW, Sentences, bert, tokenizer, trainer

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]


class Stream(IterableDataset):
    """Sentences that can be read from the front only; each begins at a random one."""

    def __init__(self, count, seed):
        self.sentences = Sentences(count, seed)

    def __iter__(self):
        return (self.sentences[at] for at in torch.randperm(len(self.sentences)).tolist())


class OwnLoss(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, **_):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss = torch.nn.functional.cross_entropy(outputs.logits, labels) + torch.rand(())
        return (loss, outputs) if return_outputs else loss


class OwnEvaluation(Trainer):
    """Evaluates in a loop of its own, which tells callbacks of no batch."""

    def evaluation_loop(self, dataloader, description, *_, metric_key_prefix="eval", **__):  # noqa: ARG002
        self.model.eval()
        with torch.no_grad():
            losses = [self.compute_loss(self.model, dict(batch)).item() for batch in dataloader]
        metrics = {f"{metric_key_prefix}_loss": float(np.mean(losses))}
        return EvalLoopOutput(None, None, metrics, len(losses))


class OwnEvaluate(Trainer):
    """Evaluates without telling callbacks that it has."""

    def evaluate(self, *_, **__):
        self.model.eval()
        with torch.no_grad():
            losses = [
                self.compute_loss(self.model, dict(batch)).item()
                for batch in self.get_eval_dataloader()
            ]
        metrics = {"eval_loss": float(np.mean(losses))}
        self.log(metrics)
        return metrics


def masked_words():
    torch.manual_seed(1)
    return BertForMaskedLM(bert().config)


BEST = {"save_strategy": "epoch", "load_best_model_at_end": True}
SETTINGS = {
    "plain": {},
    "bf16": {"bf16": True},
    "fp16": {"fp16": True},
    "gradient checkpointing": {"gradient_checkpointing": True},
    "sentences of one length together": {"train_sampling_strategy": "group_by_length"},
    "evaluation in pieces": {"eval_accumulation_steps": 1, "per_device_eval_batch_size": 2},
    "best model at the end": {**BEST, "learning_rate": 0.3},
    "label smoothing": {"label_smoothing_factor": 0.1},
    "max_steps": {"max_steps": 6, "eval_strategy": "steps", "eval_steps": 2},
    "evaluated on start": {"eval_on_start": True},
    "never evaluated": {"eval_strategy": "no"},
    "noise on the embedding": {"neftune_noise_alpha": 5.0},
    "batch size to be found": {"auto_find_batch_size": True},
    "workers that stay": {"dataloader_num_workers": 1, "dataloader_persistent_workers": True},
    "last batch dropped": {"per_device_train_batch_size": 3, "dataloader_drop_last": True},
    "another optimizer": {"optim": "adafactor", "lr_scheduler_type": "cosine", "warmup_steps": 2},
    "accumulation that does not divide": {"gradient_accumulation_steps": 3},
    "early stopping": {  # a greater loss is better: it gets smaller
        **BEST, "num_train_epochs": 5, "metric_for_best_model": "loss", "greater_is_better": True
    },
    "a stream": {"max_steps": 8, "eval_strategy": "steps", "eval_steps": 4},
    "padded to eights": {},
    "words masked at random": {},
    "a loss of one's own": {},
    "an evaluation loop of one's own": {},
    "an evaluate of one's own": {},
}  # fmt: skip
KINDS = {
    "a loss of one's own": OwnLoss,
    "an evaluation loop of one's own": OwnEvaluation,
    "an evaluate of one's own": OwnEvaluate,
}
COLLATORS = {
    "padded to eights": lambda: DataCollatorWithPadding(tokenizer(), pad_to_multiple_of=8),
    "words masked at random": lambda: DataCollatorForLanguageModeling(tokenizer()),
}
STEPS = {
    "max_steps": [0, 2, 4, 6],
    "last batch dropped": [0, 5, 10],
    "accumulation that does not divide": [0, 2, 4],
    "early stopping": [0, 4, 8],
    "a stream": [0, 4, 8],
}


def trained(root, name, *callbacks):
    torch.manual_seed(0)
    np.random.seed(0)
    made = trainer(root, **SETTINGS[name])
    data = (made.train_dataset, made.eval_dataset)
    given = KINDS.get(name, Trainer)(
        model=masked_words() if name == "words masked at random" else made.model,
        args=made.args,
        data_collator=COLLATORS[name]() if name in COLLATORS else None,
        train_dataset=Stream(16, 1) if name == "a stream" else data[0],
        eval_dataset=Stream(8, 2) if name == "a stream" else data[1],
        processing_class=tokenizer(),
        callbacks=list(callbacks),
    )
    if name == "early stopping":
        given.add_callback(EarlyStoppingCallback(early_stopping_patience=1))
    given.train()
    return types.SimpleNamespace(
        rows=[
            {key: row[key] for key in ("step", "loss", "eval_loss", "grad_norm") if key in row}
            for row in given.state.log_history
        ],
        weights=given.model.state_dict(),
        # Not Python's own: beartype, which checks our types in these tests, draws from it.
        random=(torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()),
        step=given.state.global_step,
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_it_trains_the_same_bit_for_bit(name, tmp_path):
    plain = trained(tmp_path / "a", name)
    callback = AttentionCallback(**FEW)
    watched = trained(tmp_path / "b", name, callback)
    assert callback.failures.count == 0
    assert len(plain.rows) > 4
    assert watched.rows == plain.rows
    assert watched.random == plain.random
    for key, value in plain.weights.items():
        assert torch.equal(value, watched.weights[key]), key
    steps = list(open_run(callback.run_dir).steps)
    assert steps == STEPS.get(name, [0, 4, 8])
    evaluated = {row["step"]: row["eval_loss"] for row in plain.rows if "eval_loss" in row}
    for step, loss in evaluated.items():
        assert open_run(callback.run_dir).scalars(step)["eval_loss"] == loss
