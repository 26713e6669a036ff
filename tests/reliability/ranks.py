"""Trainings on several processes, and what a recorded step takes by the size of the model.

    make ranks    (PYTHONPATH=.:tests python tests/reliability/ranks.py)

Processes of one machine talk by gloo. The trainings are Lightning's, with DDP and with FSDP2
(``fully_shard``), each without and with the monitor; then a process dies, and the monitor of one
fails. The sizes are measured on this machine, and for a large model the budget is asked what it
would keep.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import signal
import socket
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from unittest import mock

import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from recordings import encoder, probe
from tiny_lightning import Tiny, loaders, trainer, words
from torch import nn
from torch.distributed.fsdp import fully_shard

from attn_monitor import AttentionMonitor, AttentionRecorder
from attn_monitor.analysis import registered_metrics
from attn_monitor.core.errors import AttnMonitorError
from attn_monitor.monitor.budget import keep_within
from attn_monitor.monitor.session import Session
from attn_monitor.store import open_run, verify_run

DIES_AT, EPOCHS = 5, 3


class Sharded(Tiny):
    """Each process holds a part of every parameter."""

    def configure_model(self):
        mesh = self.device_mesh["data_parallel"]
        for module in (*self.encoder.layers, self.embed, self.norm, self.classify):
            fully_shard(module, mesh=mesh)


class Dies(L.Callback):
    """The last process is killed in the middle."""

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == DIES_AT and trainer.global_rank == trainer.world_size - 1:
            os.kill(os.getpid(), signal.SIGKILL)


def one_of_several(folder, way, kind):
    """Train, as one of the processes; leave what it ended with in a file."""
    torch.set_num_threads(1)
    L.seed_everything(3, verbose=False)
    processes = int(os.environ["WORLD_SIZE"])
    monitors = [AttentionMonitor(tokens=words)] if way == "watched" else []
    strategy = DDPStrategy(process_group_backend="gloo")
    model = Tiny()
    if kind == "FSDP2":
        strategy = ModelParallelStrategy(
            data_parallel_size=processes, tensor_parallel_size=1, process_group_backend="gloo"
        )
        model = Sharded()
    if kind == "a rank dies":
        monitors.append(Dies())
    run = trainer(folder / way, *monitors, devices=processes, strategy=strategy, epochs=EPOCHS)
    if kind == "a monitor fails" and run.global_rank == processes - 1:
        Session.observe = mock.Mock(side_effect=OSError("of one rank"))
    run.fit(model, *loaders())
    digest = hashlib.sha256(repr(model.losses).encode())
    for value in model.state_dict().values():
        whole = value.to_local() if hasattr(value, "to_local") else value
        digest.update(whole.numpy().tobytes())
    problems = sum(one.failures.count for one in monitors if isinstance(one, AttentionMonitor))
    said = f"{digest.hexdigest()} {problems}"
    (folder / f"{way}-{run.global_rank}.txt").write_text(said)


def process(rank, shared, log, *arguments):
    """Be one of the processes."""
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log.fileno(), stream.fileno())
    os.environ |= {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
    one_of_several(*arguments)


def train(folder, way, kind, processes):
    """Start the processes; return seconds, exit codes, and what each ended with."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes),
              "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GROUP_RANK": "0",
              "TORCHELASTIC_RUN_ID": "one"}  # fmt: skip
    start = time.perf_counter()
    fork = multiprocessing.get_context("fork")  # all is imported, and nothing has computed yet
    with (folder / f"{way}.log").open("w") as log:
        started = [
            fork.Process(target=process, args=(rank, shared, log, folder, way, kind))
            for rank in range(processes)
        ]
        for one in started:
            one.start()
        for one in started:
            one.join(400)
            one.kill()
    ended = {path.stem: path.read_text().split() for path in folder.glob(f"{way}-*.txt")}
    return time.perf_counter() - start, [one.exitcode for one in started], ended


KINDS = {
    "DDP": 2, "DDP on four": 4, "FSDP2": 2, "a monitor fails": 2, "a rank dies": 2,
}  # fmt: skip


def trainings(kinds):
    print("| processes | kind | losses and weights | recorded | monitor's problems | s without "
          "| s with |\n|---|---|---|---|---|---|---|")  # fmt: skip
    faults = 0
    for kind in kinds:
        processes = KINDS[kind]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            plain, plain_codes, before = train(folder, "plain", kind, processes)
            seconds, codes, after = train(folder, "watched", kind, processes)
            same = len(after) == processes and all(
                before[f"plain-{at}"][0] == after[f"watched-{at}"][0] for at in range(processes)
            )
            problems = [after[one][1] for one in sorted(after)]
            event_files = list((folder / "watched").rglob("events*"))
            recorded = "nothing"
            with suppress(AttnMonitorError):
                recorded = verify_run(event_files[0].parent).summary()
            said = "identical" if same else f"exit codes {plain_codes} and {codes}"
            print(f"| {processes} | {kind} | {said} | {recorded} | {', '.join(problems)} | "
                  f"{plain:.0f} | {seconds:.0f} |", flush=True)  # fmt: skip
            if recorded == "nothing" or (not same and kind != "a rank dies"):
                faults += 1
                print((folder / "watched.log").read_text()[-6000:])
    return faults


class Encoder(nn.Module):
    def __init__(self, layers, heads):
        super().__init__()
        self.embed = nn.Embedding(1000, 32 * heads)
        layer = nn.TransformerEncoderLayer(32 * heads, heads, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def forward(self, input_ids):
        return self.encoder(self.embed(input_ids))


def costs():
    """Print bytes and seconds of a recorded step, each size doubled by itself."""
    usual = {"layers": 4, "heads": 4, "tokens": 64, "probes": 16}
    print("| layers | heads | tokens | probes | kB of a step | s on the training thread |\n"
          "|---|---|---|---|---|---|")  # fmt: skip
    for what in (None, *usual):
        size = {**usual, what: 2 * usual[what]} if what else usual
        torch.manual_seed(0)
        torch.set_num_threads(1)
        batch = {"input_ids": torch.randint(1, 1000, (size["probes"], size["tokens"]))}
        with tempfile.TemporaryDirectory() as folder:
            taken = []
            with AttentionRecorder(
                Encoder(size["layers"], size["heads"]), [batch], log_dir=folder, audit=False,
                probes=size["probes"], train_probes=0, lens_sentences=0, signal_sentences=0,
                log_images=False,
            ) as recorder:  # fmt: skip
                for step in range(6):
                    start = time.thread_time()
                    recorder.record(step=step, epoch=0)
                    taken.append(time.thread_time() - start)
            assert recorder.failures.count == 0
            assert len(open_run(folder).steps) == len(taken)
            held = sum(p.stat().st_size for p in Path(folder, "plugins").rglob("*") if p.is_file())
        row = " | ".join(str(value) for value in size.values())
        print(f"| {row} | {held / len(taken) / 1000:.0f} | "
              f"{statistics.median(taken[1:]):.3f} |", flush=True)  # fmt: skip


def estimate(layers=96, heads=96, tokens=8192, probes=32, budget_mb=64):
    """Print what the budget would keep of a large model."""
    part = encoder(layers, heads)
    sentences = [probe(at, tokens, split=("val", "train")[at % 2]) for at in range(probes)]
    plan = keep_within(int(budget_mb * 1e6), (part,), sentences, {"encoder": 128})
    forms = ", ".join(
        f"{sum(kept.form == form for kept in plan.kept)} x {form}"
        for form in ("whole", "window", "thumbnail", "metrics")
    )
    partial = next((kept for kept in plan.kept if kept.layers is not None), None)
    numbers = probes * layers * heads * len(registered_metrics().specs) * 4
    print(
        f"\n{layers} x {heads} heads, {probes} probes of {tokens} tokens, {budget_mb} MB per step: "
        f"{forms}; {plan.size / 1e6:.1f} MB of maps before compression, {numbers / 1e6:.1f} MB of "
        f"metrics; all maps would take {probes * layers * heads * tokens**2 / 1e12:.1f} TB"
    )
    if partial is not None:
        print(f"coarse maps of layers {partial.layers}, heads {partial.heads}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", help="of trainings; all, and what a step takes")
    options = parser.parse_args()
    faults = trainings(options.kinds or KINDS)
    if not options.kinds:
        costs()
        estimate()
    return faults


if __name__ == "__main__":
    sys.exit(main())
