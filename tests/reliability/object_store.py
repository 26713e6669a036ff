"""A recording on S3, written and read while the store is slow, answers 503 or loses replies.

    make remote    (PYTHONPATH=.:tests python tests/reliability/object_store.py)

The store is moto's server on loopback, asked through fsspec and s3fs like the real one. Requests
are counted where they arrive.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import fsspec
import numpy as np
import torch
from moto.server import DomainDispatcherApplication, create_backend_app
from recordings import encoder_info, record
from torch import nn
from torch.utils.tensorboard import SummaryWriter
from werkzeug.serving import make_server
from wsgi_tab import served

from attn_monitor import AttentionRecorder
from attn_monitor.core.errors import AttnMonitorError
from attn_monitor.store import RunWriter, open_run, verify_run

ROOT = Path(__file__).parents[2]
INFO = encoder_info(lengths=(12, 9))
BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>busy</Message></Error>"


class Store:
    """An S3 server whose weather can be chosen.

    Attributes:
        delay: Seconds that every request takes longer.
        busy: Share of the requests answered 503 and not done.
        lost: Share of the requests that are done and whose reply is lost.
        counts: Requests by kind.
    """

    def __init__(self):
        self._app = DomainDispatcherApplication(create_backend_app)
        self._rng, self._lock = random.Random(0), threading.Lock()
        self.counts = Counter()
        self.calm()
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        self._server = make_server("127.0.0.1", 0, self, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def calm(self):
        self.delay = self.busy = self.lost = 0.0

    def __call__(self, environ, respond):
        listing = "list-type" in environ["QUERY_STRING"] or "prefix=" in environ["QUERY_STRING"]
        with self._lock:
            self.counts["LIST" if listing else environ["REQUEST_METHOD"]] += 1
            drawn = self._rng.random()
        time.sleep(self.delay)
        if drawn < self.busy:
            respond("503 Slow Down", [("Content-Type", "application/xml")])
            return [BUSY]
        if drawn < self.busy + self.lost:
            b"".join(self._app(environ, lambda *_: None))
            # Without this it would be kept alive, and the client wait for a minute each time.
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError  # the connection is closed without a reply
        return self._app(environ, respond)

    @contextmanager
    def counting(self, what, times=1):
        """Say how many requests of each kind the block took."""
        before, start = Counter(self.counts), time.perf_counter()
        yield
        took = self.counts - before
        kinds = ", ".join(f"{took[kind] / times:.3g} {kind}" for kind in sorted(took)) or "none"
        seconds = (time.perf_counter() - start) / times
        print(f"| {what} | {kinds} | {1000 * seconds:.0f} |", flush=True)


def same(url, step, truth):
    """Compare a step with what was written."""
    run = open_run(url)
    read = run.attention(step=step, probe=1, part="encoder", layer=1)
    np.testing.assert_allclose(read, truth.attention["encoder"][1][1], atol=0.005)
    metrics = run.metric_values(part="encoder", probe=1)[run.steps.index(step)]
    np.testing.assert_array_equal(metrics, truth.metrics["encoder"][1].astype(np.float32))


def costs(store, steps):
    """What writing and reading cost, in requests; listings grow with the steps."""
    print("| what | requests | ms |\n|---|---|---|")
    url, at = "s3://runs/costs", 0
    with store.counting("beginning a recording"):
        writer = RunWriter(url, INFO)
    for until in (10, steps):
        while at < until - 10:
            writer.write(record(INFO, at))
            at += 1
        with store.counting(f"writing a step, of steps {at} to {until - 1}", times=10):
            while at < until:
                writer.write(record(INFO, at))
                at += 1
        fsspec.filesystem("s3").invalidate_cache()
        with store.counting(f"opening a recording of {until} steps"):
            run = open_run(url)
        with store.counting("looking for new steps, where there are none", times=5):
            for _ in range(5):
                run.refresh()
        with store.counting("one layer of one sentence"):
            run.attention(step=at - 1, probe=0, part="encoder", layer=0)
        with store.counting("another layer of that step"):
            run.attention(step=at - 1, probe=0, part="encoder", layer=1)
        with store.counting("metrics of all steps"):
            run.metric("prev", part="encoder")
    for step in (0, at - 1):
        same(url, step, record(INFO, step))
    client = served("s3://runs", ["costs"])
    for route, asked in (
        ("run", {}),
        ("attention", {"step": at - 1, "probe": 0, "layer": 0}),
        ("metrics", {"step": at - 1, "metrics": "prev"}),
    ):
        query = {"run": "costs", "part": "encoder", **asked}
        for turn in ("first", "again"):
            with store.counting(f"the tab: /{route}, {turn}"):
                reply = client.get(f"/data/plugin/attn_monitor/{route}", query_string=query)
            assert reply.status_code == 200, reply.text
    assert verify_run(url).whole == tuple(range(at))


def weather(store, *, steps, name, **conditions):
    """Write and read in bad weather; whatever was acknowledged must be there."""
    url, acknowledged, failed = f"s3://runs/{name.replace(' ', '_')}", [], Counter()
    vars(store).update(conditions)
    start, before = time.perf_counter(), store.counts.total()
    writer = None
    for step in range(steps):
        try:
            writer = writer or RunWriter(url, INFO)
            writer.write(record(INFO, step))
            acknowledged.append(step)
        except Exception as error:  # noqa: BLE001 - what fails is said and dropped in a training
            failed[type(error).__name__] += 1
    reads, refused, client = 0, Counter(), served("s3://runs", [url.rpartition("/")[2]])
    for step in acknowledged[:10]:
        reads += 1
        try:
            fsspec.filesystem("s3").invalidate_cache()
            same(url, step, record(INFO, step))
        except AttnMonitorError as error:
            refused[type(error).__name__] += 1
        reply = client.get("/data/plugin/attn_monitor/attention", query_string={
            "run": url.rpartition("/")[2], "step": step, "part": "encoder", "probe": 0, "layer": 0,
        })  # fmt: skip
        assert reply.status_code in {200, 404}, (reply.status_code, reply.text)
        refused[f"answer {reply.status_code}"] += reply.status_code != 200
    seconds, asked = time.perf_counter() - start, store.counts.total() - before
    store.calm()
    fsspec.filesystem("s3").invalidate_cache()
    found = verify_run(url)
    lost = set(acknowledged) - set(found.whole)
    print(f"| {name} | {len(acknowledged)} of {steps} {dict(failed) or ''} | {len(lost)} | "
          f"{reads} {dict(+refused) or ''} | {asked} | {seconds:.1f} |", flush=True)  # fmt: skip
    assert not lost
    assert not found.problems, found.problems
    for step in acknowledged:
        same(url, step, record(INFO, step))


def tensorboard(folder):
    """The tab of a real TensorBoard on s3:// says what the one on a disk says."""
    asked = {}
    for logdir in ("s3://runs/logs", str(folder / "logs")):
        torch.manual_seed(0)
        model = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2, enable_nested_tensor=False
        )
        batch = torch.randn(4, 6, 16)
        writer = SummaryWriter(f"{logdir}/a")
        with AttentionRecorder(
            model, [batch], log_dir=f"{logdir}/a", writer=writer, describe_batch=_ids,
            train_probes=0, audit=False,
        ) as recorder:  # fmt: skip
            for step in range(3):
                recorder.record(step=step, epoch=step)
                with torch.no_grad():
                    for weight in model.parameters():
                        weight.mul_(1.1)
        writer.close()
        assert recorder.failures.count == 0
        asked[logdir] = _of_tensorboard(logdir)
    one, other = asked.values()
    assert one == other
    print(f"TensorBoard on s3://: {len(one)} answers, byte for byte those on a disk")


def _ids(batch):
    return batch[..., 0].round().long().abs()


def _of_tensorboard(logdir):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", logdir, "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}/data/plugin/attn_monitor"
    try:
        end = time.monotonic() + 120
        while True:
            with suppress(OSError):
                index = json.load(urllib.request.urlopen(f"{base}/index", timeout=30))
                if index["runs"]:
                    break
            assert time.monotonic() < end, "TensorBoard found no run"
            time.sleep(1)
        where = "run=a&part=encoder&probe=0&layer=0&head=0&metrics=prev"
        asked = [f"{r}?{where}&step={s}" for r in ("attention", "metrics") for s in range(3)]
        return {one: urllib.request.urlopen(f"{base}/{one}", timeout=60).read() for one in asked}
    finally:
        process.terminate()
        process.wait(30)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    store = Store()
    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "S3_ENDPOINT": store.url,
                   "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": store.url}  # fmt: skip
    fsspec.filesystem("s3").mkdir("runs")
    costs(store, options.steps)
    print(
        "\n| weather | written | of these lost | read | requests | s |\n|---|---|---|---|---|---|"
    )
    weather(store, steps=20, name="calm")
    weather(store, steps=20, name="every request takes 0.2 s longer", delay=0.2)
    weather(store, steps=20, name="one in ten answers 503", busy=0.1)
    weather(store, steps=20, name="one in twenty replies is lost", lost=0.05)
    weather(store, steps=20, name="all three", delay=0.05, busy=0.1, lost=0.05)
    print()
    with tempfile.TemporaryDirectory() as folder:
        tensorboard(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
