"""Mutated recordings, read and served: an answer, or an error of ours; never anything else.

    make damage    (PYTHONPATH=.:tests python tests/reliability/damage.py --recordings 5000)

Everything is drawn from the seed, so that a failure can be made again.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from recordings import encoder_info, record, translation_info
from wsgi_tab import served

from attn_monitor.core.class_answer import ClassAnswer, ClassLayer
from attn_monitor.core.errors import AttnMonitorError
from attn_monitor.core.kept import Kept
from attn_monitor.store import MapWindow, RunWriter, open_run, verify_run
from attn_monitor.store.names import rank_folder
from tests.reliability.noted_batches import Outcome, kept_at, progress, run, tell

RANK = rank_folder(0)
STEPS = (0, 3, 12)
HOSTILE = [
    None, True, -1, 0, 1, 2**31, 2**53, 2**63, 2**200, 1e308, -0.0, float("nan"), "", "x", "../..",
    "\ud800", "x" * 5000, [], [[]], [0] * 50, {}, {"": {}}, {"encoder": [0]}, "Infinity",
    "00000000",
]  # fmt: skip


def base_recordings(root):
    """Three recordings that hold everything a recording can hold."""
    plain = translation_info()
    with RunWriter(root / "translation", plain) as writer:
        for step in STEPS:
            writer.write(record(plain, step, epoch=step // 3, vectors=step == 12))
    info = encoder_info(lengths=(5, 4, 6))
    layer = ClassLayer(names=("no", "yes"), method="linear_mean")
    kept = (Kept(probe=0, form="whole", vectors=True), Kept(probe=1, form="window", window=2),
            Kept(probe=2, form="whole"))  # fmt: skip
    info = replace(info, classes=layer, kept=kept)
    rng = np.random.default_rng(0)
    with RunWriter(root / "classes", info, budget_mb=0.016) as writer:
        for step in STEPS:
            whole = record(info, step, vectors=True)
            maps = dict(whole.attention["encoder"])
            window = MapWindow(attn=maps.pop(1)[..., :2, :2])
            answers = {
                probe.index: ClassAnswer(
                    scores=rng.random(2).astype("f4"),
                    contributions=rng.random((len(probe.source), 2)).astype("f4"),
                )
                for probe in info.probes
            }
            writer.write(replace(whole, attention={"encoder": maps},
                                 windows={"encoder": {1: window}}, classes=answers))  # fmt: skip
    return [root / "translation", root / "classes"]


def _files(run):
    return sorted(p for p in (run / RANK).rglob("*") if p.is_file() and not p.is_symlink())


def _any_file(run, rng):
    # Each name as often as the other, however many steps there are.
    files = _files(run)
    steps = [p for p in files if p.suffix == ".zip"]
    others = [p for p in files if p.suffix != ".zip"]
    return rng.choice([*others, rng.choice(steps)] if steps else others)


def flip(run, rng):
    path = _any_file(run, rng)
    data = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def cut(run, rng):
    path = _any_file(run, rng)
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def grow(run, rng):
    path = _any_file(run, rng)
    path.write_bytes(path.read_bytes() + rng.choice([b"\0", b"\n", b"{}\n", b"\xff"]) * 50)


def blank(run, rng):
    path = _any_file(run, rng)
    data = bytearray(path.read_bytes())
    start = rng.randrange(len(data))
    data[start : start + 64] = bytes(len(data[start : start + 64]))
    path.write_bytes(data)


def empty(run, rng):
    _any_file(run, rng).write_bytes(b"")


def gone(run, rng):
    _any_file(run, rng).unlink()


def a_folder_instead(run, rng):
    path = _any_file(run, rng)
    path.unlink()
    path.mkdir()


def a_file_instead(run, rng):
    folder = rng.choice([run / RANK / "steps", run / RANK, run / "plugins/attn_monitor"])
    shutil.rmtree(folder)
    folder.write_bytes(b"file")


def a_link_to_itself(run, rng):
    path = rng.choice([_any_file(run, rng), run / RANK / "steps", run / RANK])
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(path.name)


def a_link_out(run, rng):
    path = _any_file(run, rng)
    path.unlink()
    path.symlink_to(rng.choice(["/etc/passwd", "../../../../..", "/dev/zero", "nowhere"]))


def a_pipe(run, rng):
    path = _any_file(run, rng)
    path.unlink()
    os.mkfifo(path)


def swapped(run, rng):
    one, other = rng.sample([p for p in _files(run) if p.suffix == ".zip"], 2)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def _mutate(value, rng):
    """Put something hostile somewhere into a document."""
    if isinstance(value, dict | list) and value and rng.random() < 0.85:
        key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if rng.random() < 0.1:
            value.pop(key)
        else:
            value[key] = _mutate(value[key], rng)
        return value
    return copy.deepcopy(rng.choice(HOSTILE))


def described_otherwise(run, rng):
    """A description that was made so, not damaged: it has no checksum."""
    path = run / RANK / "run.json"
    document = json.loads(path.read_bytes())
    document.pop("crc")
    for _ in range(rng.randint(1, 3)):
        document = _mutate(document, rng)
    path.write_text(json.dumps(document))


def lines_otherwise(run, rng):
    path = run / RANK / "commits.jsonl"
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    for line in lines:
        line.pop("crc")
        for checksum in ("directory", "file") if rng.random() < 0.5 else ():
            line.pop(checksum, None)
    at = rng.randrange(len(lines))
    lines[at] = _mutate(lines[at], rng)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def lines_in_disorder(run, rng):
    path = run / RANK / "commits.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    made_up = [
        b'{"op": "rollback", "to": 3, "attempt": 1}\n',
        b'{"op": "thin", "step": 3, "attempt": 0}\n',
        b"x" * 3_000_000 + b"\n",
        b"x\n" * 300,
        b'{"op": "else"}\n',
    ]
    lines += rng.choices([*lines, *made_up], k=3)
    rng.shuffle(lines)
    path.write_bytes(b"".join(lines))


def members_otherwise(run, rng):
    """A zip that is sound, whose arrays describe themselves otherwise."""
    path = rng.choice([p for p in _files(run) if p.suffix == ".zip"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w") as new:
        names = [n for n in old.namelist() if n.endswith("zarr.json")]
        chosen = set(rng.sample(names, min(3, len(names))))
        for name in old.namelist():
            data = old.read(name)
            if name in chosen:
                data = json.dumps(_mutate(json.loads(data), rng)).encode()
            if rng.random() > 0.02:
                new.writestr(name, data)
    path.write_bytes(buffer.getvalue())
    log = run / RANK / "commits.jsonl"
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    for line in lines:
        line.pop("crc")
        if line.get("op") == "commit" and f"{line['step']:010d}" in path.name:
            line.update(bytes=len(buffer.getvalue()), directory="", file="")
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))


def another_rank(run, rng):
    other = run / "plugins/attn_monitor/rank_0001"
    shutil.copytree(run / RANK, other)
    path = other / "run.json"
    document = json.loads(path.read_bytes())
    document.pop("crc")
    for probe in document["probes"]:
        probe["index"] += rng.choice([0, 1, 7])
    path.write_text(json.dumps(_mutate(document, rng)))


def tampered_while_open(run, rng):
    """Nothing now: :func:`check` damages it once it is open."""


MUTATIONS = (
    flip, cut, grow, blank, empty, gone, a_folder_instead, a_file_instead, a_link_to_itself,
    a_link_out, a_pipe, swapped, described_otherwise, described_otherwise, lines_otherwise,
    lines_otherwise, lines_in_disorder, members_otherwise, members_otherwise, another_rank,
    tampered_while_open,
)  # fmt: skip
_CHEAP = ("index", "run", "attention", "attention", "metrics", "classes", "curves", "signals")
_COSTLY = ("piles", "lens", "joint", "over_time", "elbow")


def question(rng, name):
    route = rng.choice(_COSTLY) if rng.random() < 0.05 else rng.choice(_CHEAP)
    asked = {
        "run": name,
        "step": rng.choice([*STEPS, *STEPS, *STEPS, 7, 2**53]),
        "part": rng.choice(["encoder", "encoder", "decoder", "cross", "none"]),
        "probe": rng.choice([0, 0, 1, 2, 9]),
        "layer": rng.choice([0, 0, 1, 9]),
        "head": rng.choice([0, 0, 1, 9]),
    }
    extra = {"rows": "0:2", "keys": "1:3", "merge": 2, "layers": "1,0", "k": 3, "split": "train",
             "cut": 500, "metrics": "prev", "v": "x"}  # fmt: skip
    for key in rng.sample(sorted(extra), rng.randint(0, 2)):
        asked[key] = extra[key]
    if route == "metrics" and rng.random() < 0.5:
        asked.pop("probe")
    return route, asked


def read_everything(run, outcome):
    """Ask for all that the public object offers, one thing after another."""

    def each():
        yield lambda: run.problems
        yield lambda: run.epochs
        for part in run.parts:
            yield lambda part=part: run.metric_values(part=part)
            yield lambda part=part: run.uniform(part)
            for probe in run.probes[:3]:
                yield lambda part=part, probe=probe: run.metric_values(part=part, probe=probe.index)
                for step in run.steps[:4]:
                    where = {"step": step, "probe": probe.index, "part": part, "layer": 0}
                    yield lambda where=where: run.attention(**where)
                    yield lambda where=where: run.window(**where)
                    yield lambda where=where: run.thumbnail(**where)
            for step in run.steps[:4]:
                yield lambda part=part, step=step: run.vectors(
                    step=step, part=part, layer=0, head=0
                )
        for step in run.steps[:4]:
            yield lambda step=step: run.class_answer(step=step, probe=0)
            yield lambda step=step: (run.scalars(step), run.has_maps(step), run.writing(step))

    for read in each():
        outcome.done["reads"] += 1
        with suppress(AttnMonitorError):
            read()


def check(root, names, rng, outcome, *, requests):
    """Read and serve recordings that were damaged."""
    client = served(root, names)
    for name, mutation in names.items():
        try:
            with suppress(AttnMonitorError):
                read_everything(open_run(root / name), outcome)
            with suppress(AttnMonitorError):
                verify_run(root / name)
        except Exception:  # noqa: BLE001 - what is looked for
            outcome.fault(f"{name}: reading after {mutation}")
        for number in range(requests):
            if mutation == "tampered_while_open" and number == requests // 2:
                rng.choice(MUTATIONS[:-1])(root / name, rng)
            route, asked = question(rng, name)
            start = time.perf_counter()
            try:
                reply = client.get(f"/data/plugin/attn_monitor/{route}", query_string=asked)
                outcome.statuses[reply.status_code] += 1
                if reply.status_code not in {200, 400, 404}:
                    outcome.faults[f"status {reply.status_code} of /{route}"] += 1
            except Exception:  # noqa: BLE001 - a server would answer 500
                outcome.fault(f"{name}: /{route} {asked} after {mutation}")
            outcome.done["requests"] += 1
            outcome.slowest = max(outcome.slowest, time.perf_counter() - start)
        outcome.done["recordings"] += 1


def sweep(*, recordings, requests, seed, at_once=8, ledger=None, say=lambda _outcome: None):
    """Mutate, read and serve recordings; return what happened."""
    with tempfile.TemporaryDirectory() as folder:
        bases = base_recordings(Path(folder) / "bases")

        def batch(number):
            rng, outcome = random.Random(f"{seed}:{number}"), Outcome()
            root, names = Path(folder) / "logs", {}
            for at in range(min(at_once, recordings - number * at_once)):
                name = f"run_{at}"
                shutil.copytree(rng.choice(bases), root / name)
                mutation = MUTATIONS[(number * at_once + at) % len(MUTATIONS)]
                mutation(root / name, rng)
                names[name] = mutation.__name__
            check(root, names, rng, outcome, requests=requests)
            shutil.rmtree(root)
            return outcome

        return run(batch, batches=-(-recordings // at_once), ledger=ledger, say=say)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=5000)
    parser.add_argument("--requests", type=int, default=20, help="of each recording")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ledger", type=Path, default=kept_at("damage"),
                        help="goes on where this file ends")  # fmt: skip
    options = parser.parse_args()
    found = sweep(recordings=options.recordings, requests=options.requests, seed=options.seed,
                  ledger=options.ledger, say=progress)  # fmt: skip
    return tell(found)


if __name__ == "__main__":
    sys.exit(main())
