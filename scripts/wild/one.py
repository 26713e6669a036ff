"""Train one model of one library, watched or not: ``one.py LIBRARY MODEL watched|plain FOLDER``."""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    name, model, how, place = sys.argv[1:]
    folder = Path(place).resolve() / "run"  # the same path for both: checkpoints hold it
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "libraries")]
    import numpy as np
    import torch

    torch.set_num_threads(1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        program = importlib.import_module(f"{name}_models")
        for seeded in (random.seed, np.random.seed, torch.manual_seed):
            seeded(7)
        from watch import Watch

        watch = Watch(folder=folder, watched=how == "watched")
        began = time.monotonic()
        program.MODELS[model](watch)
        seconds = time.monotonic() - began
    watch.ledger.close(watch.model, watch.optimizers, folder)
    found: dict[str, object] = {
        "hashes": watch.ledger.hashes,
        "batches": watch.ledger.batches,
        "seconds": round(seconds, 1),
        "versions": {package: version(package) for package in program.PACKAGES},
    }
    if watch.watched:
        from seen import what_was_recorded

        found["recorded"] = what_was_recorded(folder, watch)
        found["said"] = sorted(
            {str(w.message) for w in caught if w.category.__name__ == "AttentionMonitorWarning"}
        )
    folder.rename(folder.parent / how)
    (folder.parent / f"{how}.json").write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
