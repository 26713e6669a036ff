"""Odd requests to sound recordings: an answer, or a reason; never 500, never a wrong type.

make fuzz    (PYTHONPATH=.:tests python tests/reliability/fuzz.py --requests 100000)
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from wsgi_tab import served

from tb_plugin.server.routes import ROUTES
from tests.reliability.damage import base_recordings
from tests.reliability.noted_batches import Outcome, kept_at, progress, run, tell

NAMES = (
    "run",
    "step",
    "part",
    "probe",
    "layer",
    "head",
    "layers",
    "rows",
    "keys",
    "merge",
    "split",
    "linkage",
    "scale",
    "k",
    "cut",
    "metrics",
    "v",
    "other",
)
VALUES = (
    "",
    "0",
    "1",
    "2",
    "12",
    "-1",
    "00",
    "1e3",
    "9" * 16,
    "9" * 40,
    "2147483648",
    "0:2",
    "2:0",
    "0:0",
    "0:99999999999",
    "1,0",
    "0,0",
    ",",
    "encoder",
    "cross",
    "~0",
    "val",
    "train",
    "lens",
    "ward",
    "raw",
    "prev",
    "prev,prev",
    "<b>",
    "../..",
    "%00",
    "\x00",
    "\u0661",
    "\U0001f600",
    "x" * 3000,
    "nan",
    "True",
)
METHODS = ("GET",) * 30 + ("POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
KINDS = {"application/json", "application/octet-stream", "text/plain", "text/javascript"}


def request(rng):
    """Return method, path and query: often nearly right, sometimes not at all."""
    route = rng.choice([*ROUTES, "index", "static/index.js", "static/../plugin.py"])
    if route in {"lens", "elbow", "over_time", "piles"} and rng.random() < 0.8:
        route = rng.choice(["attention", "metrics", "classes", "curves"])
    asked = {
        "run": rng.choice(["translation", "classes"]),
        "step": rng.choice(["0", "3", "12"]),
        "part": "encoder",
        "probe": rng.choice("012"),
        "layer": "0",
        "head": rng.choice("01"),
        "metrics": "prev",
    }
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        asked[rng.choice(NAMES)] = rng.choice(VALUES)
    if rng.random() < 0.2:
        asked.pop(rng.choice(list(asked)))
    return rng.choice(METHODS), route, asked


def _ask(client, rng, outcome):
    method, route, asked = request(rng)
    start = time.perf_counter()
    try:
        path = f"/data/plugin/attn_monitor/{route}"
        reply = client.open(path, method=method, query_string=asked)
    except Exception:  # noqa: BLE001 - a server would answer 500
        outcome.fault(f"{method} /{route} {asked}")
        return
    outcome.slowest = max(outcome.slowest, time.perf_counter() - start)
    outcome.done["requests"] += 1
    outcome.statuses[reply.status_code] += 1
    kind = reply.content_type.partition(";")[0]
    plain = reply.status_code == 200 or kind == "text/plain"
    expected = {405} if method != "GET" else {200, 400, 404}
    unrouted = route == "static/../plugin.py"
    if not unrouted and (reply.status_code not in expected or kind not in KINDS or not plain):
        outcome.faults[f"{reply.status_code} {kind} of {method} /{route}"] += 1


def sweep(folder, *, requests, seed=0, at_once=1000, ledger=None, say=lambda _outcome: None):
    """Send requests; return what happened."""
    base_recordings(folder)
    client = served(folder, ["translation", "classes", "missing"])

    def batch(number):
        rng, outcome = random.Random(f"{seed}:{number}"), Outcome()
        for _ in range(min(at_once, requests - number * at_once)):
            _ask(client, rng, outcome)
        return outcome

    return run(batch, batches=-(-requests // at_once), ledger=ledger, say=say)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ledger", type=Path, default=kept_at("fuzz"),
                        help="goes on where this file ends")  # fmt: skip
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return tell(sweep(Path(folder), requests=options.requests, seed=options.seed,
                          ledger=options.ledger, say=progress))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
