"""Does what a head writes order heads as muting them does? The study of docs/importance.md.

    python scripts/importance_study.py OUT.json [--effect output] [--pairs FILE.tsv] [--only NAME]

Trains the models of the examples at a small size, mutes every head on two halves of held-out
sentences, and writes ranks and intervals. About ten minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np
from scipy.stats import spearmanr
from torch import nn

from attn_monitor import AttentionRecorder, open_run

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
CHEAP = ("writes", "reads", "row_entropy", "confidence", "sink")
SENTENCES = {"loss": 32, "output": 64}  # of each half
DRAWS = 2000


class Keep(lightning.Callback):
    """Takes the place of the monitor, and keeps the trained model and its validation batches."""

    kept: tuple[nn.Module, list[object]]

    def __init__(self, **_: object) -> None:
        super().__init__()

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep them."""
        loader: Any = trainer.val_dataloaders
        Keep.kept = pl_module, list(loader)


def validation_loss(module: lightning.LightningModule, batch: object) -> dict[str, object]:
    """Run the example's own validation step; return the loss that it logs."""
    heard: dict[str, object] = {}
    own = vars(module)
    own["log"] = lambda name, value, **_: heard.update({name: value})
    own["log_dict"] = lambda values, **_: heard.update(values)
    module.validation_step(batch, 0)
    del own["log"], own["log_dict"]
    return {"loss": heard["val_loss"]}


def output_alone(module: lightning.LightningModule, batch: object) -> None:
    """Run the same, so that what is compared is the model's output."""
    validation_loss(module, batch)


def measured(
    half: list[object], effect: str, options: dict[str, Any]
) -> dict[str, dict[str, np.ndarray]]:
    """Return, per part, the metrics of every head and the exact effect, on one half."""
    model = Keep.kept[0]
    with tempfile.TemporaryDirectory() as directory:
        with AttentionRecorder(
            model.eval(),
            half,
            log_dir=directory,
            replay=validation_loss if effect == "loss" else output_alone,
            importance=1,
            probes=SENTENCES[effect],
            lens_sentences=0,
            log_images=False,
            **options,
        ) as recorder:
            recorder.record(step=0, epoch=0)
        if recorder.failures.count:
            raise SystemExit("the recording had problems; see the warnings above")
        run = open_run(directory)
        names = (*CHEAP, "importance")
        return {
            part: {name: run.metric(name, part=part)[-1].astype(float) for name in names}
            for part in run.parts
        }


def flat(table: dict[str, dict[str, np.ndarray]], name: str) -> np.ndarray:
    return np.concatenate([values[name].ravel() for values in table.values()])


def within_layers(a: dict[str, Any], b: dict[str, Any], name: str) -> float:
    """Return the mean rank correlation of the heads of one layer."""
    found = [
        spearmanr(x, y).statistic
        for part in a
        for x, y in zip(a[part][name], b[part]["importance"], strict=True)
    ]
    return float(np.nanmean(found))


def ranks(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Judge the cheap numbers of one half by the exact effects on the other."""
    exact = flat(other, "importance")
    rng = np.random.default_rng(0)
    draws = rng.integers(len(exact), size=(DRAWS, len(exact)))
    answer: dict[str, Any] = {"heads": len(exact)}
    for name in (*CHEAP, "importance"):
        cheap = flat(one, name)
        again = [spearmanr(cheap[d], exact[d]).statistic for d in draws]
        answer[name] = {
            "rho": float(spearmanr(cheap, exact).statistic),
            "interval": np.nanquantile(again, [0.025, 0.975]).tolist(),
            "within_layers": within_layers(one, other, name),
        }
    return answer


def tweets(logdir: str) -> dict[str, Any]:
    import airline_sentiment as example

    example.AttentionMonitor = Keep
    example.train(epochs=3, limit=3000, d_model=64, logdir=logdir)
    return {}


def causal_lm(logdir: str) -> dict[str, Any]:
    import causal_lm as example

    example.AttentionMonitor = Keep
    example.LanguageModel = partial(example.LanguageModel, heads=4, layers=4)
    example.train(files=40, epochs=4, windows=1600, length=48, logdir=logdir)
    return {"describe_batch": lambda windows: windows[:, :-1]}


def translation(logdir: str, pairs: Path | None) -> dict[str, Any]:
    import translation as example

    example.AttentionMonitor = Keep
    example.open_run = _stop
    chosen = example.load_pairs(pairs, Path(".demo/catalogues"), small=True)[:3000]
    example.Translator.translate = lambda _, source: [""] * len(source)
    with suppress(StopIteration):
        example.train(chosen, epochs=4, d_model=64, vocabulary=1500, logdir=logdir)
    return {}


def _stop(*_: object) -> None:
    raise StopIteration


def minilm(logdir: str) -> dict[str, Any]:
    import huggingface_finetune as example

    example.AttentionMonitor = Keep
    example.train(tweets=600, epochs=1, longest=24, logdir=logdir)
    return {}


def vision(logdir: str) -> dict[str, Any]:
    import vision as example

    example.AttentionMonitor = Keep
    example.train(epochs=12, logdir=logdir)
    return {"describe_batch": example.tokens_of}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--pairs", type=Path, help="a TSV of sentences and their translations")
    parser.add_argument("--effect", choices=["loss", "output"], default="loss")
    parser.add_argument("--only", help="one of the models")
    options = parser.parse_args()
    models: dict[str, Callable[[str], dict[str, Any]]] = {
        "tweets": tweets,
        "causal_lm": causal_lm,
        "translation": partial(translation, pairs=options.pairs),
        "minilm": minilm,
        "vision": vision,
    }
    answers = json.loads(options.out.read_text()) if options.out.exists() else {}
    for name, train in models.items():
        if options.only in {None, name} and name not in answers:
            with tempfile.TemporaryDirectory() as logdir:
                chosen = train(logdir)
            batches = Keep.kept[1]
            halves = [measured(batches[at::2], options.effect, chosen) for at in (0, 1)]
            both = [ranks(*halves), ranks(*reversed(halves))]
            answers[name] = {"halves": both}
            options.out.write_text(json.dumps(answers, indent=1))
            print(name, [{k: v["rho"] for k, v in r.items() if k != "heads"} for r in both])


if __name__ == "__main__":
    main()
