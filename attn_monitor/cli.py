"""``attn-monitor``: look at a recording, judge it, check it, or write it as one HTML file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from attn_monitor import __version__, cli_record, cli_report, cli_send
from attn_monitor.core.arrays import mean_of_defined
from attn_monitor.core.errors import AttnMonitorError, ConfigurationError
from attn_monitor.core.keywords import meant
from attn_monitor.core.nouns import MEASURED
from attn_monitor.store import Run, open_run, proofs_of, verify_run

DEFAULT_MAX_MB = 50.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="attn-monitor", description=__doc__)
    parser.add_argument("--version", action="version", version=f"attn-monitor {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_inspect(commands.add_parser("inspect", help="print what a recording holds"))
    _add_export(commands.add_parser("export", help="write a run as one HTML file"))
    _add_verify(commands.add_parser("verify", help="say what of a recording is whole"))
    record = commands.add_parser("record", help="record a training that is over")
    cli_record.add_record(record, _Progress())
    ask = commands.add_parser("ask", help="record one more sentence beside a run's own")
    cli_record.add_ask(ask, _Progress())
    report = commands.add_parser("report", help="judge a run, for people and machines")
    cli_report.add_report(report, _RUN_HELP)
    compare = commands.add_parser("compare", help="say what two runs differ in")
    cli_report.add_compare(compare, _RUN_HELP)
    watch = commands.add_parser("watch", help="follow a run while it trains")
    cli_report.add_watch(watch, _RUN_HELP)
    _name_what_was_meant(parser, commands.choices, sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(arguments)
    try:
        text, status = options.run_command(options)
    except AttnMonitorError as error:
        print(f"attn-monitor: {error}", file=sys.stderr)
        return 1
    print(text)
    return int(status)


def _name_what_was_meant(
    parser: argparse.ArgumentParser,
    commands: Mapping[str, argparse.ArgumentParser],
    arguments: Sequence[str],
) -> None:
    """End with the nearest command or option where one is unknown; argparse names none."""
    first = arguments[0] if arguments else "-"
    if not first.startswith("-") and first not in commands:
        parser.error(f"there is no command {first!r}; {meant(first, list(commands))}")
    for argument in arguments[1:] if first in commands else ():
        if argument == "--":
            return
        name, known = argument.partition("=")[0], list(commands[first]._option_string_actions)
        if name.startswith("--") and not any(each.startswith(name) for each in known):
            commands[first].error(f"there is no option {name!r}; {meant(name, known)}")


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help=_RUN_HELP)
    parser.set_defaults(run_command=lambda options: (describe(open_run(options.run)), 0))


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Read every byte of a recording, compare it with its checksums, and name what is damaged. "
        "Exit status 0: all of it is whole; 1: it is not, or there is no recording."
    )
    parser.add_argument("run", help=_RUN_HELP)
    parser.set_defaults(run_command=_verify)


def _verify(options: argparse.Namespace) -> tuple[str, int]:
    verified = verify_run(options.run)
    return verified.summary(), int(bool(verified.problems))


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write one HTML file that shows a run as its tab does, without TensorBoard and without "
        "any network. All recorded steps keep their metrics; what follows chooses whose maps."
    )
    add = parser.add_argument
    add("run", help=_RUN_HELP)
    add("-o", "--output", type=Path, metavar="FILE", help="the file to write")
    add("--to", choices=tuple(cli_send.TRACKERS), help="give the page to an experiment tracker")
    add("--project", default="attention", help="of --to: project, or experiment of MLflow")
    add("--into", metavar="RUN", help="of --to: the run to add it to (default: a new one)")
    add("--steps", type=spans, help="steps, for example 0,500:900 (default: all)")
    add("--probes", type=spans, help="sentences, numbered from 0 as in the tab's address")
    add("--parts", type=lambda text: tuple(text.split(",")), help="for example encoder,cross")
    add("--lens-steps", type=spans, help="steps whose HeadLens is in it (default: the last)")
    add("--no-lens", action="store_true", help="leave out what is computed head by head")
    add("--name", help="the run's name on screen (default: the directory's)")
    add(
        "--max-mb",
        type=float,
        default=DEFAULT_MAX_MB,
        help="largest size of the file in megabytes (default: %(default)g); where more would be "
        "needed there are fewer sentences, down to four, then fewer steps",
    )
    parser.set_defaults(run_command=_export)


_RUN_HELP = "run directory, for example lightning_logs/version_0"


def spans(text: str) -> tuple[tuple[int, int], ...]:
    """Return the spans that a text such as ``0,500:900`` names, both ends included."""
    found = []
    for item in text.split(","):
        first, colon, last = item.partition(":")
        if not (first.isdecimal() and (last.isdecimal() or not colon)):
            raise argparse.ArgumentTypeError(
                f"{item!r} is neither a number nor a span like 500:900"
            )
        found.append((int(first), int(last or first)))
    return tuple(found)


def _export(options: argparse.Namespace) -> tuple[str, int]:
    # The one place where attn_monitor knows the tab: a command line stands above both packages.
    from tb_plugin.offline import Choice, export_run, run_name  # noqa: PLC0415

    choice = Choice(
        steps=options.steps,
        probes=options.probes,
        parts=options.parts,
        lenses=not options.no_lens,
        lens_steps=options.lens_steps,
    )
    if options.output is None and options.to is None:
        raise ConfigurationError("export needs a place for the page: -o FILE, or --to TRACKER")
    with TemporaryDirectory() as folder:
        output = options.output or Path(folder) / "attention.html"
        done = export_run(
            options.run,
            output,
            choice=choice,
            name=options.name,
            max_mb=options.max_mb,
            progress=_Progress(),
        )
        if options.to is None:
            return f"{output}: {done.summary()}", 0
        name, project = options.name or run_name(options.run), options.project
        place = cli_send.send(options.to, output, name=name, project=project, into=options.into)
    return f"{place}: {done.summary()}", 0


class _Progress:
    """One line on a terminal that is written over; elsewhere one line per stage."""

    def __call__(self, what: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{what} {done}/{total}", end="", file=sys.stderr, flush=True)
            if done == total:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        elif done == total:
            print(f"{what}: {total}", file=sys.stderr, flush=True)


def _watched(run: Run) -> list[str]:
    """Say at which steps only what was known to matter was looked at, and why not at others."""
    reasons = [reason for step in run.steps if (reason := run.watched(step)) is not None]
    if not reasons:
        return []
    why = list(dict.fromkeys(filter(None, reasons)))
    others = f"; every operator watched in the others ({'; '.join(why[:3])})" if why else ""
    known = f"{reasons.count('')} of {len(reasons)} steps"
    return [f"attention looked up where an earlier pass had seen it: {known}{others}"]


def describe(run: Run) -> str:
    """Return a recording in words: steps, probes, parts, and each metric from first to last."""
    val, train = (sum(p.split == split for p in run.probes) for split in MEASURED)
    asked = sum(probe.split == "asked" for probe in run.probes)
    further = len(run.probes) - val - train - asked
    proofs = proofs_of(run)
    lines = [
        f"{len(run.steps)} recorded steps"
        + (f", {run.steps[0]} to {run.steps[-1]}" if run.steps else ""),
        f"{val} validation and {train} training probes"
        + (f", {further} further sentences for HeadLens and signals" if further else "")
        + (f", {asked} asked later" if asked else ""),
        *(() if proofs is None else proofs.sentences),
        *_watched(run),
    ]
    for name in run.parts:
        part = run.part(name)
        lines += [
            "",
            f"{name}: {len(part.layers)} layers of up to {part.heads} heads"
            + (", causal" if part.causal else ""),
            *(
                f"  L{i + 1:<3} {layer.name}  ({_evidence(layer.evidence, layer.error)})"
                for i, layer in enumerate(part.layers)
            ),
        ]
        if run.steps:
            lines += ["", f"  {'mean over heads':<24}{'first':>9}{'last':>9}"]
            for spec in run.metrics:
                values = run.metric(spec.name, part=name)[[0, -1]]
                first, last = mean_of_defined(values, axes=(1, 2))
                if np.isfinite([first, last]).all():
                    lines.append(f"  {spec.title:<24}{first:>9.3f}{last:>9.3f}")
    return "\n".join(lines)


def _evidence(evidence: str, error: float | None) -> str:
    if evidence == "model":
        return "the model's own weights"
    if evidence == "verified":
        return f"recomputed and verified, error {error:.1e}"
    return "recomputed, not verified"


if __name__ == "__main__":
    sys.exit(main())
