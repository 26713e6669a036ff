"""Somebody else's recordings: what opening and serving each takes, of memory and of time.

    make foreign    (PYTHONPATH=.:tests python tests/reliability/foreign.py)

Each in a process of its own. Wanted: every answer or typed refusal within 5 s of CPU, and a growth
of at most 300 MB or 20 times the recording's size, whichever is less; small ones may take 20 MB.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

from recordings import encoder_info, record
from wsgi_tab import served

from attn_monitor.core.errors import AttnMonitorError
from attn_monitor.store import RunWriter, open_run
from attn_monitor.store.names import rank_folder

MOST_MB, MOST_TIMES, SMALL_MB, MOST_SECONDS = 300, 20, 20, 5
INFO = encoder_info()
ROUTES = ("index", "run", "metrics", "curves", "attention", "signals")


def _described(change):
    def make(run_dir):
        path = run_dir / rank_folder(0) / "run.json"
        document = json.loads(path.read_bytes())
        document.pop("crc")
        change(document)
        path.write_text(json.dumps(document))

    return make


def _lines(line, times):
    def make(run_dir):
        path = run_dir / rank_folder(0) / "commits.jsonl"
        path.write_bytes(path.read_bytes() + line * times)

    return make


def _raw(data):
    return lambda run_dir: (run_dir / rank_folder(0) / "run.json").write_bytes(data())


def _steps(count):
    def make(run_dir):
        path = run_dir / rank_folder(0) / "commits.jsonl"
        first = json.loads(path.read_bytes().splitlines()[0])
        first.pop("crc")
        with path.open("w") as file:
            for step in range(count):
                file.write(json.dumps({**first, "step": step}) + "\n")

    return make


def _ranks(count):
    def make(run_dir):
        text = (run_dir / rank_folder(0) / "run.json").read_text()
        lines = (run_dir / rank_folder(0) / "commits.jsonl").read_text()
        for rank in range(1, count):
            folder = run_dir / f"plugins/attn_monitor/rank_{rank:04d}"
            folder.mkdir()
            document = json.loads(text)
            document.pop("crc")
            document["options"]["note"] = "x" * 100_000
            (folder / "run.json").write_text(json.dumps(document))
            (folder / "commits.jsonl").write_text(lines)

    return make


def _long_sentence(tokens, word):
    def change(document):
        document["probes"][0]["source"] = {"text": [word] * tokens, "special": []}

    return _described(change)


def _reading(line):
    return _lines(json.dumps(line).encode() + b"\n", 1)


KINDS = {
    "run.json, 63 MiB of brackets": _raw(lambda: b'{"schema": 1, "x": [' + b"[]," * 22_000_000),
    "run.json, 1 MiB of brackets": _raw(
        lambda: b'{"schema": 1, "x": [' + b"{}," * 350_000 + b"{}]}"
    ),
    "run.json, nested 500,000 deep": _raw(lambda: b'{"a":' * 500_000),
    "run.json, a text of 60 MB": _described(
        lambda d: d["metrics"][0].update(reading="x" * 60_000_000)
    ),
    "run.json, a text of 10 million \u0416": _described(
        lambda d: d["metrics"][0].update(reading="\u0416" * 10_000_000)
    ),
    "run.json, a title of 20 MB": _described(
        lambda d: d["probes"][0].update(title="y" * 20_000_000)
    ),
    "run.json, 100,000 options": _described(
        lambda d: d["options"].update({f"option {at}": at for at in range(100_000)})
    ),
    "run.json, 1,000,000 tokens": _long_sentence(1_000_000, "a"),
    "run.json, 16,000 probes": _described(
        lambda d: d.update(probes=[{**d["probes"][0], "index": at} for at in range(16_000)])
    ),
    "run.json, 60,000 layers": _described(
        lambda d: d["parts"][0].update(layers=d["parts"][0]["layers"][:1] * 60_000)
    ),
    "run.json, 1,000 metrics": _described(
        lambda d: d.update(metrics=[{**d["metrics"][0], "name": f"m{at}"} for at in range(1000)],
                           uniform={})
    ),
    "a line of 126 MiB": _lines(b"x" * (126 * 2**20), 1),
    "10 million empty lines": _lines(b"\n", 10_000_000),
    "20 MiB of lines without sense": _lines(b"x\n", 10 * 2**20),
    "100,000 steps": _steps(100_000),
    "a million thin lines": _lines(b'{"op": "thin", "step": 5, "attempt": 0}\n', 1_000_000),
    "200,000 rollbacks": _lines(b'{"op": "rollback", "to": -1, "attempt": 0}\n', 200_000),
    "300,000 lines of later versions": _lines(b'{"op": "later"}\n', 300_000),
    "a reading of a million heads": _reading(
        {"op": "reading", "step": 5, "attempt": 0, "heads": {"encoder": [[[0.5] * 150_000]] * 3}}
    ),
    "400 ranks of 43 MiB together": _ranks(400),
}  # fmt: skip


def _growth(pipe, folder, kind):
    """Make it, then open and serve it; send its size, what memory grew by, and the seconds."""
    run_dir = Path(folder) / "run"
    with RunWriter(run_dir, INFO) as writer:
        writer.write(record(INFO, 5))
    maker = multiprocessing.get_context("fork").Process(target=KINDS[kind], args=(run_dir,))
    maker.start()
    maker.join()
    size = sum(path.stat().st_size for path in run_dir.rglob("*") if path.is_file()) / 1e6
    with tempfile.TemporaryDirectory() as warm:  # imports are nobody's recording
        with RunWriter(f"{warm}/run", INFO) as writer:
            writer.write(record(INFO, 5))
        _serve(warm)
    before = resource.getrusage(resource.RUSAGE_SELF)
    said, spent = _serve(folder)
    after = resource.getrusage(resource.RUSAGE_SELF)
    pipe.send((size, (after.ru_maxrss - before.ru_maxrss) / 1024, spent, said))


def _serve(folder):
    """Open it and ask every route; return what came of it, and the seconds of the slowest."""
    start = time.process_time()
    try:
        found = open_run(f"{folder}/run")
        said = f"opened, {len(found.steps)} steps, {len(found.problems)} problems said"
        del found
    except AttnMonitorError as error:
        said = f"{type(error).__name__}"
    slowest = time.process_time() - start
    client = served(folder, ["run"])
    asked = {"run": "run", "part": "encoder", "probe": 0, "step": 5, "layer": 0}
    for route in ROUTES:
        query = {"run": "run"} if route in {"run", "signals"} else asked
        start = time.process_time()
        reply = client.get(f"/data/plugin/attn_monitor/{route}", query_string=query)
        slowest = max(slowest, time.process_time() - start)
        assert reply.status_code in {200, 400, 404}, (route, reply.status_code)
    return said, slowest


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    options = parser.parse_args()
    context, worst = multiprocessing.get_context("spawn"), 0
    print(
        "| a hostile recording | its MB | grew by MB | slowest answer, s | |\n|---|---|---|---|---|"
    )
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            receiving, sending = context.Pipe(duplex=False)
            process = context.Process(target=_growth, args=(sending, folder, kind))
            process.start()
            sending.close()
            size, grew, spent, said = receiving.recv()
            process.join()
        allowed = min(MOST_MB, max(SMALL_MB, MOST_TIMES * size))
        over = grew > allowed or spent > MOST_SECONDS
        worst |= over
        mark = " **over**" if over else ""
        print(f"| {kind} | {size:.1f} | {grew:.0f} | {spent:.1f} | {said}{mark} |", flush=True)
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
