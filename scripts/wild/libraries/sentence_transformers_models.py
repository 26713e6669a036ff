"""sentence-transformers: a siamese BERT of random weights, trained on pairs."""

from __future__ import annotations

from pathlib import Path

from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
    losses,
    models,
)
from transformers import BertConfig, BertModel, BertTokenizerFast
from watch import Watch

REQUIREMENTS = ("sentence-transformers", "datasets")
PACKAGES = ("sentence-transformers", "transformers")
LINE = "SentenceTransformerTrainer(..., callbacks=[AttentionCallback()])"
WORDS = ["red", "green", "blue", "cat", "dog", "bird", "runs", "sleeps", "the", "a"]


def _pairs(count: int, shift: int) -> Dataset:
    def sentence(i: int, first: str) -> str:
        return f"{first} {WORDS[i % 3]} {WORDS[3 + i // 3 % 3]} {WORDS[6 + i // 9 % 2]}"

    numbers = range(shift, shift + count)
    return Dataset.from_dict(
        {
            "anchor": [sentence(i, "the") for i in numbers],
            "positive": [f"{sentence(i, 'a')} {WORDS[i % 7]}" for i in numbers],
        }
    )


def siamese(watch: Watch) -> None:
    folder = Path("bert")
    folder.mkdir()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join([*special, *WORDS]))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(vocab_size=len(special) + len(WORDS), intermediate_size=64, **sizes)
    BertModel(config).save_pretrained(folder)
    words = models.Transformer(str(folder))
    model = SentenceTransformer(modules=[words, models.Pooling(32)], device="cpu")
    arguments = SentenceTransformerTrainingArguments(
        "out",
        num_train_epochs=3,
        eval_strategy="epoch",
        save_strategy="no",
        logging_steps=1,
        per_device_train_batch_size=8,
        use_cpu=True,
        disable_tqdm=True,
        report_to="none",
        seed=7,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=_pairs(48, 0),
        eval_dataset=_pairs(16, 48),
        loss=losses.MultipleNegativesRankingLoss(model),
        callbacks=watch.trainer_callbacks(),
    )
    watch.follow(trainer)
    trainer.train()
    watch.finish(trainer)


MODELS = {"siamese BERT": siamese}
