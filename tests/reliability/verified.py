"""What `attn-monitor verify` says of each kind of damage: named, refused, or truly whole.

make verified    (PYTHONPATH=.:tests python tests/reliability/verified.py)

Where it calls a step whole, every number of it must be what was written. A log that lost its last
lines looks like one that a crash cut short: its steps are fewer, and their files belong to none.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from attn_monitor.cli import main as command
from attn_monitor.core.errors import AttnMonitorError
from attn_monitor.store import open_run, verify_run
from tests.reliability import damage

# Damage, not recordings that somebody made otherwise and whose checksums fit.
KINDS = (
    damage.flip, damage.cut, damage.grow, damage.blank, damage.empty, damage.gone,
    damage.a_folder_instead, damage.a_file_instead, damage.a_link_to_itself, damage.a_link_out,
    damage.a_pipe, damage.swapped, damage.lines_in_disorder,
)  # fmt: skip
OUTCOMES = ("named", "refused", "whole", "fewer steps")


def same(run, truth, step):
    """Whether everything that is shown of a step is what was written."""
    for part in truth.parts:
        for probe in truth.probes:
            where = {"part": part, "probe": probe.index}
            one, other = (r.metric_values(**where)[r.steps.index(step)] for r in (run, truth))
            if not np.array_equal(one, other, equal_nan=True):
                return False
            for layer in range(len(truth.part(part).layers)):
                one, other = (_map(r, step=step, layer=layer, **where) for r in (run, truth))
                if not np.array_equal(one, other):
                    return False
    return True


def _map(run, **where):
    try:
        return run.attention(**where)
    except AttnMonitorError:  # of a sentence that keeps none
        return np.zeros(0)


def tried(base, mutation, rng, folder):
    """Damage a copy, and return what verify makes of it."""
    run_dir = shutil.copytree(base, folder / "run", symlinks=True)
    mutation(run_dir, rng)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = command(["verify", str(run_dir)])
    truth = open_run(base)
    try:
        found = verify_run(run_dir)
    except AttnMonitorError:
        found = None
    if found is None:
        outcome = "refused" if code == 1 else "WRONG EXIT CODE"
    elif found.problems:
        outcome = "named" if code == 1 and "damaged:" in said.getvalue() else "WRONG EXIT CODE"
    else:
        outcome = "whole" if found.steps == truth.steps else "fewer steps"
        if outcome == "fewer steps" and "belong to no step" not in said.getvalue():
            outcome = "FEWER STEPS, UNSAID"
        if code:
            outcome = "WRONG EXIT CODE"
    for step in found.whole if found else ():
        if step not in truth.steps or not same(open_run(run_dir), truth, step):
            outcome = "CALLED WHOLE, IS NOT"
    shutil.rmtree(folder / "run")
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=40, help="of each kind")
    options = parser.parse_args()
    faults, rng = 0, random.Random(0)
    print(f"| damage | tried | {' | '.join(OUTCOMES)} |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        bases = damage.base_recordings(Path(folder) / "bases")
        for kind in KINDS:
            counts = Counter(
                tried(rng.choice(bases), kind, rng, Path(folder)) for _ in range(options.times)
            )
            wrong = counts.total() - sum(counts[one] for one in OUTCOMES)
            faults += wrong
            mark = f" **{dict(counts)}**" if wrong else ""
            row = " | ".join(str(counts[one]) for one in OUTCOMES)
            name = kind.__name__.replace("_", " ")
            print(f"| {name} | {counts.total()} | {row}{mark} |", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
