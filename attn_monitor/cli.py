"""``attn-monitor``: look at a recording without a browser."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from attn_monitor.core.errors import AttnMonitorError
from attn_monitor.store import Run, open_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="attn-monitor", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    inspect = commands.add_parser("inspect", help="print what a recording holds")
    inspect.add_argument("run", help="run directory, for example lightning_logs/version_0")
    options = parser.parse_args(arguments)
    try:
        print(describe(open_run(options.run)))
    except AttnMonitorError as error:
        print(f"attn-monitor: {error}", file=sys.stderr)
        return 1
    return 0


def describe(run: Run) -> str:
    """Return a recording in words: steps, probes, parts, and each metric from first to last."""
    val = sum(p.split == "val" for p in run.probes)
    lines = [
        f"{len(run.steps)} recorded steps"
        + (f", {run.steps[0]} to {run.steps[-1]}" if run.steps else ""),
        f"{len(run.probes)} probes: {val} validation, {len(run.probes) - val} training",
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
                if np.isfinite(values).all(axis=(1, 2)).all():
                    first, last = values.mean(axis=(1, 2))
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
