"""Print how many megabytes a process took at most, after plain passes and after a recorded step.

`python peak.py 512 trained` takes a step of training of eight sentences before. Runs with
whichever `attn_monitor` is found first: `PYTHONPATH=<a clone of it> python peak.py 512`.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import warnings

import torch
from cases import WORDS, model

from attn_monitor import AttentionRecorder

BATCH, SPLITS = 8, 2


def peak() -> float:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    tokens = int(sys.argv[1])
    trained = model("classes", "sdpa")
    val, train = (
        [{"input_ids": ids, "attention_mask": torch.ones_like(ids)}]
        for ids in torch.randint(5, WORDS, (SPLITS, BATCH, tokens))
    )
    with torch.no_grad():
        for batch in (*val, *train):
            trained(**batch)
    found = {"plain": peak()}
    if "trained" in sys.argv:
        trained.train()
        trained(**train[0]).logits.square().sum().backward()
        trained.zero_grad()
        trained.eval()
        found["trained"] = peak()
    with tempfile.TemporaryDirectory() as root:
        options = {"train_batches": train, "log_dir": root, "log_images": False}
        with AttentionRecorder(trained, val, **options) as recorder:
            found["opened"] = peak()
            recorder.record(step=1, epoch=0)
            found["recorded"] = peak()
        found["closed"] = peak()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
