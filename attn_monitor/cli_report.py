"""The commands that answer in words: ``report``, ``compare`` and ``watch``."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from attn_monitor.core.errors import ConfigurationError, RunNotFoundError
from attn_monitor.signals import assess
from attn_monitor.signals.losses import best_step, watched
from attn_monitor.store import Run, open_run
from attn_monitor.verdicts import judge
from attn_monitor.verdicts.judge import compared

_MARKS = {"found": "!!", "look": " ?", "unknown": "--", "clear": "ok"}
NAMES = (
    *("leak", "scale", "padding", "redundant", "dormant", "positions", "overfitting", "growth"),
    *("nan", "recording", "weights", "since_best"),
)


def add_report(parser: argparse.ArgumentParser, run_help: str) -> None:
    """Add ``report RUN [--json] [--fail-on NAMES]``."""
    parser.description = (
        "Judge a run: what is wrong, what may be, and the numbers that say so, each with the "
        "address that shows it in the tab. Levels: !! found, ? look, -- unknown, ok clear."
    )
    parser.add_argument("run", help=run_help)
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument(
        "--fail-on",
        type=lambda text: tuple(text.split(",")),
        default=(),
        metavar="NAMES",
        help=f"exit with 2 where one of these is found or to be looked at: {', '.join(NAMES)}",
    )
    parser.set_defaults(run_command=report)


def report(options: argparse.Namespace) -> tuple[str, int]:
    """Return a run's verdicts as text, and the exit status."""
    if unknown := [name for name in options.fail_on if name not in NAMES]:
        raise ConfigurationError(
            f"--fail-on has no {', '.join(unknown)}; there are {', '.join(NAMES)}"
        )
    run = open_run(options.run)
    verdicts = judge(run)
    failed = [v.name for v in verdicts if v.name in options.fail_on and v.level in _FAILS]
    status = 2 if failed else 0
    logdir, name = _named(options.run)
    measured = (run.importance(step) for step in reversed(run.steps))
    importance = next((found for found in measured if found is not None), None)
    if options.json:
        answer = {
            "schema": 1,
            "run": options.run,
            "tensorboard": f"tensorboard --logdir {logdir}",
            "steps": list(run.steps),
            "failed_on": failed,
            "importance": None if importance is None else importance.as_json(),
            "verdicts": [
                {**v.as_json(), "link": f"{v.link}&p.attn_monitor.run={name}"} for v in verdicts
            ],
        }
        return json.dumps(answer, indent=1, allow_nan=False), status
    lines = [f"{_MARKS[v.level]} {v.name}: {v.sentence}\n     {v.link}" for v in verdicts]
    foot = f"\nAddresses are those of the tab: tensorboard --logdir {logdir}, run {name}"
    return "\n".join((*lines, foot)), status


_FAILS = ("found", "look")


def _named(path: str) -> tuple[str, str]:
    """Return a log directory and the name that TensorBoard gives the run below it."""
    run = Path(path)
    levels = 2 if run.name.startswith("version_") else 1
    logdir = run.parents[levels - 1] if len(run.parts) >= levels else run
    return str(logdir), run.relative_to(logdir).as_posix()


def add_compare(parser: argparse.ArgumentParser, run_help: str) -> None:
    """Add ``compare A B``."""
    parser.description = "Say what two runs differ in: verdicts, and means over heads at the end."
    parser.add_argument("a", help=run_help)
    parser.add_argument("b", help="the run to compare it with")
    parser.set_defaults(
        run_command=lambda options: (
            "\n".join(compared(open_run(options.a), open_run(options.b))) or "no difference",
            0,
        )
    )


def add_watch(parser: argparse.ArgumentParser, run_help: str) -> None:
    """Add ``watch RUN``."""
    parser.description = "Follow a run while it trains: one line for every recorded step."
    parser.add_argument("run", help=run_help)
    parser.add_argument("--every", type=float, default=2.0, metavar="SECONDS")
    parser.add_argument("--until", type=int, metavar="STEP", help="end at this step")
    parser.set_defaults(run_command=watch)


def watch(options: argparse.Namespace) -> tuple[str, int]:
    """Print a line per step until interrupted, or until a step that was named."""
    run: Run | None = None
    said = 0
    try:
        while True:
            if run is None:
                try:
                    run = open_run(options.run)
                except RunNotFoundError:
                    time.sleep(options.every)
                    continue
            else:
                run.refresh()
            for at in range(said, len(run.steps)):
                print(_line(run, at), flush=True)
            said = len(run.steps)
            if options.until is not None and said and run.steps[-1] >= options.until:
                return assess(run).headline, 0
            time.sleep(options.every)
    except KeyboardInterrupt:
        return "", 0


def _line(run: Run, at: int) -> str:
    step = run.steps[at]
    so_far = [run.scalars(s) for s in run.steps[: at + 1]]
    best, name = best_step(run.steps[: at + 1], so_far, run.options)
    extreme = "highest" if watched(so_far, run.options)[1] else "lowest"
    loss = run.scalars(step).get(name) if name else None
    words = [f"step {step}, epoch {run.epochs[at]}"]
    if loss is not None:
        words.append(f"{name} {loss:.4g}{f' ({extreme})' if best == step else ''}")
    for part in run.parts:
        if "row_entropy" in {spec.name for spec in run.metrics}:
            entropy = run.metric("row_entropy", part=part)[at]
            if np.isfinite(entropy).any():
                words.append(f"{part} row entropy {np.nanmean(entropy):.3f}")
    return ", ".join(words)
