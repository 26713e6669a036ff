"""Eight models with a bug, each beside its healthy twin: find the bug from the tab alone.

python examples/buggy_models.py all                   # both runs of all eight, about 4 minutes
python examples/buggy_models.py missing_causal_mask   # or one of them
tensorboard --logdir lightning_logs                   # open the tab "Attention"; docs/gallery.md
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import lightning as L
import numpy as np
from buggy_parts import Sentences, Spelling, Switches, Task, Toy, collate
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from attn_monitor import AttentionMonitor, open_run

HEALTHY = Switches()


@dataclass(frozen=True, kw_only=True)
class Bug:
    """A bug, and the number that gives it away.

    Attributes:
        task: What both twins are trained to do.
        healthy: The twin without the bug.
        buggy: The same with it.
        metric: The metric to look at, in the view "Heads" or in Scalars; ``"mask"`` stands for
            the share of forbidden pairs that leak, in the view "Signals".
        over_heads: How all heads make one number.
        step: 0 where the bug shows before training, -1 where it shows after.
        look: What is seen.
    """

    task: Task
    buggy: Switches
    healthy: Switches = HEALTHY
    metric: str
    over_heads: Callable[[np.ndarray], float] = np.mean
    step: int = -1
    look: str


BUGS = {
    "missing_causal_mask": Bug(
        task="next word",
        healthy=Switches(causal=True),
        buggy=Switches(causal=False),
        metric="right",
        look="weight to the right of the diagonal, from step 0 on: words read their own answer",
    ),
    "missing_positions": Bug(
        task="previous word",
        buggy=Switches(positions=False),
        metric="prev",
        over_heads=np.max,
        look="no head ever becomes a diagonal; equal words have equal rows",
    ),
    "wrong_scale": Bug(
        task="previous word",
        buggy=Switches(scale=16.0),  # sqrt(d_head) squared: multiplied where it should be divided
        metric="row_entropy",
        step=0,
        look="one dark cell in every row before the first training step",
    ),
    "collapsed_heads": Bug(
        task="previous word",
        buggy=Switches(tied_heads=True),
        metric="head_diversity",
        look="four times the same map; one pile per layer at any distance",
    ),
    "padding_attended": Bug(
        task="previous word",
        buggy=Switches(mask_padding=False),
        metric="outside",
        step=0,
        look="pale maps for short sentences: what is missing went to padding",
    ),
    "shuffled_targets": Bug(
        task="translation",
        buggy=Switches(shuffled_targets=True),
        metric="diagonal",
        over_heads=np.max,
        look="encoder-decoder maps without a diagonal at any step",
    ),
    "packing_leak": Bug(
        task="packed",
        healthy=Switches(causal=True),
        buggy=Switches(causal=True, apart=False),
        metric="mask",
        step=0,
        look="Signals: the mask leaks, a word reads another document of its row",
    ),
    "exploding_logits": Bug(
        task="next word",
        healthy=Switches(causal=True),
        buggy=Switches(causal=True, learning_rate=0.15),
        metric="logit_max",
        over_heads=np.nanmax,
        look="Signals: scores on training batches run away, with the head and the cause",
    ),
}


def train(
    name: str,
    twin: str,
    *,
    epochs: int = 20,
    sentences: int = 1024,
    record_every: int = 1,
    logdir: str = "lightning_logs",
) -> str:
    """Train one twin ("healthy" or "buggy") of a bug; return the directory of its run."""
    L.seed_everything(7, verbose=False)
    bug = BUGS[name]
    switches = bug.healthy if twin == "healthy" else bug.buggy

    def loader(count: int, seed: int) -> DataLoader:
        data = Sentences(count, bug.task, shuffled=switches.shuffled_targets, seed=seed)
        padded = partial(collate, task=bug.task)
        return DataLoader(data, 64, shuffle=seed == 1, collate_fn=padded)

    logger = TensorBoardLogger(logdir, name=f"gallery/{name}", version=twin)
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=logger,
        callbacks=[
            AttentionMonitor(
                tokens=Spelling(), lens_sentences=0, every_n_epochs=record_every, watch=2
            )
        ],
        log_every_n_steps=4,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    trainer.fit(Toy(bug.task, switches), loader(sentences, 1), loader(sentences // 8, 2))
    return str(logger.log_dir)


def giveaway(name: str, run_dir: str) -> float:
    """Return the number that tells the twins apart."""
    bug, run = BUGS[name], open_run(run_dir)
    if bug.metric == "mask":
        audit = run.remarks.audit
        return audit.leaks / audit.pairs
    part = "cross" if bug.task == "translation" else run.parts[0]
    return float(bug.over_heads(run.metric(bug.metric, part=part)[bug.step]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bug", choices=["all", *BUGS])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--logdir", default="lightning_logs")
    options = parser.parse_args()
    names = list(BUGS) if options.bug == "all" else [options.bug]
    lines = []
    for name in names:
        numbers = {}
        for twin in ("healthy", "buggy"):
            print(f"Training {name}, {twin} ...", flush=True)
            run_dir = train(name, twin, epochs=options.epochs, logdir=options.logdir)
            numbers[twin] = giveaway(name, run_dir)
        bug = BUGS[name]
        when = "before training" if bug.step == 0 else "after training"
        lines.append(
            f"  {name}: {bug.metric} {when} {numbers['buggy']:.2f}, healthy "
            f"{numbers['healthy']:.2f}\n    {bug.look}"
        )
    print("\nThe numbers that give the bugs away:")
    print("\n".join(lines))
    print(
        f"\nNow:  tensorboard --logdir {options.logdir}   and open the tab Attention.\n"
        "Look for: each of these in its run gallery/<bug>/buggy, then in gallery/<bug>/healthy,\n"
        "at the same step and sentence."
    )


if __name__ == "__main__":
    main()
