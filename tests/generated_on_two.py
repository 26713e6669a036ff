"""Generated trainings on two processes (DDP, gloo): ``generated_on_two.py FOLDER FIRST AFTER``."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
import warnings
from pathlib import Path

import torch
from lightning.pytorch.strategies import DDPStrategy

from attn_monitor import AttentionMonitor
from tests.generated_trainings import run

PATIENCE = 270  # seconds for all trainings


def options():
    return {"strategy": DDPStrategy(process_group_backend="gloo"), "devices": 2}


def one_of_two(rank, shared, folder, seeds):
    """Train every module without and with the monitor; leave what is not the same in a file."""
    os.environ |= {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    found = {}
    for seed in seeds:
        place = folder / str(seed)
        monitor = AttentionMonitor(
            probes=2, train_probes=1, lens_sentences=0, signal_sentences=0, log_images=False
        )
        module, plain = run(seed, place / f"plain-{rank}", **options())
        _, watched = run(seed, place / f"watched-{rank}", monitor, **options())
        moved = [name for name in plain if plain[name] != watched[name]]
        if moved:
            found[f"module {seed}: {module.kinds}, {module.writes}, {module.tampers}"] = moved
        (folder / f"{rank}.json").write_text(json.dumps({"ended": seed + 1, "moved": found}))


def main(place, first, after):
    folder = Path(place)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GROUP_RANK": "0",
        "TORCHELASTIC_RUN_ID": "one",
    }
    fork = multiprocessing.get_context("fork")  # all is imported, and nothing has computed yet
    seeds = range(int(first), int(after))
    both = [
        fork.Process(target=one_of_two, args=(rank, shared, folder, seeds)) for rank in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join(PATIENCE)
        one.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
