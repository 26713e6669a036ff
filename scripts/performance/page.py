"""Measure this build beside an earlier one, in turns, and write docs/performance.md.

`python scripts/performance/page.py build/performance.json` measures what the file does not hold
yet; `ONLY=step`, `ONLY=pass` or any words of a row (`ONLY="all metrics"`) measures a part,
`ROUNDS=9` takes more turns. The earlier build is `EARLIER`: a commit, checked out with
`git worktree` in build/, or a folder that holds one. It runs with this environment's dependencies:
only attn_monitor differs. Peers that `PEERS`, a folder, holds (scripts/performance/peers.txt) are
measured in the same turns.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EARLIER = os.environ.get("EARLIER", "b662f30")
ROUNDS = int(os.environ.get("ROUNDS", "5"))
PEERS = Path(os.environ.get("PEERS", ROOT / ".venv" / "peers"))
FEW_ROUNDS = 3  # of what takes seconds
PASSES = [
    *(("bert", tokens, "q, k, v") for tokens in (32, 256)),
    *(("bert", tokens, "all metrics") for tokens in (32, 256, 512)),
    *(("gpt", tokens, "all weights") for tokens in (128, 256, 512)),
]
STEPS = [
    *(("classes", tokens, "recorded step") for tokens in (32, 64, 128)),
    ("bert", 64, "recorded step"),
]
WANTED = {
    ("bert", 32, "q, k, v"): 1.06,
    ("bert", 256, "q, k, v"): 1.03,
    ("bert", 32, "all metrics"): 1.25,
    ("bert", 256, "all metrics"): 1.5,
    ("bert", 512, "all metrics"): 1.7,
    ("gpt", 128, "all weights"): 1.1,
    ("gpt", 256, "all weights"): 1.15,
    ("gpt", 512, "all weights"): 1.7,
    ("classes", 32, "recorded step"): 1.15,
    ("classes", 64, "recorded step"): 1.1,
    ("classes", 128, "recorded step"): 1.08,
    ("bert", 64, "recorded step"): 1.05,
}
OURS = {"earlier", "now"}
LATER = ", later pass"
TOOLS = ("nnsight", "TorchLens", "TorchLens trace")
MODELS = {
    "bert": "BERT, 6 layers x 12 heads, width 384",
    "gpt": "GPT-2 (causal), 6 x 12, width 384",
    "classes": "the same BERT with a head of classes",
}


class Build:
    """A process that runs the cases of one build; of peers, one has a process of its own each."""

    def __init__(self, *sources: Path) -> None:
        found = os.pathsep.join(map(str, sources))
        environment = {**os.environ, "PYTHONPATH": found, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(__file__).with_name("cases.py"))]
        self._process = subprocess.Popen(
            command,
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL},
            text=True,
            env=environment,
        )

    def seconds(self, *case: object) -> float:
        """Return how long one case took."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps(case), file=stdin, flush=True)
        return float(json.loads(stdout.readline()))


def earlier() -> Path:
    """Return the earlier build's source, checked out if it is not yet."""
    if Path(EARLIER).is_dir():
        return Path(EARLIER)
    place = ROOT / "build" / f"earlier-{EARLIER}"
    if not place.exists():
        command = ["git", "-C", str(ROOT), "worktree", "add", "--detach", str(place), EARLIER]
        subprocess.run(command, check=True, capture_output=True)
    return place


def measured(builds: dict[str, Build], family: str, kind: str, tokens: int, name: str) -> dict:
    """Return the ratios to a plain pass of each build and each peer, round by round, in turns."""
    ratios: dict[str, list[float]] = {}
    plain: list[float] = []
    rounds = min(ROUNDS, FEW_ROUNDS) if family == "step" else ROUNDS
    cases = [(build, build, (family, kind, tokens, name)) for build in ("earlier", "now")]
    if family == "pass":
        for what in (f"{name}{LATER}", "output_attentions"):
            cases += [(what.removeprefix(name), "now", (family, kind, tokens, what))]
    if name == "all weights":
        cases += [(p, p, ("peer", kind, tokens, p)) for p in builds if p not in OURS]
    for turn in range(rounds + 1):  # the first is for warming up
        for what, process, case in cases:
            bare = builds[process if process in OURS else "now"]
            before = bare.seconds(family, kind, tokens, "plain")
            took = builds[process].seconds(*case)
            after = bare.seconds(family, kind, tokens, "plain")
            if turn:
                ratios.setdefault(what, []).append(2 * took / (before + after))
                plain += [before, after]
    return {**ratios, "plain": plain, "load": round(os.getloadavg()[0], 1)}


def figure(values: list[float] | None) -> str:
    """Return a median with its spread."""
    if not values:
        return "-"
    return f"**{statistics.median(values):.2f}** ({min(values):.2f} to {max(values):.2f})"


def table(found: dict[str, dict], family: str) -> str:
    """Return one table, a row per case that was measured."""
    peers = ["output_attentions", *TOOLS] if family == "pass" else []
    later = [LATER] if family == "pass" else []
    own = ["b662f30", "now", *(f"now{each}" for each in later)]
    heads = ["what", "tokens", "plain, ms", *own, "wanted", *peers, "load"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for kind, tokens, name in PASSES if family == "pass" else STEPS:
        row = found.get(f"{family} {kind} {tokens} {name}")
        if row is None:
            continue
        cells = [f"{name}: {MODELS[kind]}", str(tokens)]
        cells += [f"{1000 * statistics.median(row['plain']):.0f}"]
        cells += [figure(row.get(each)) for each in ("earlier", "now", *later)]
        cells += [f"{WANTED[kind, tokens, name]:.2f}", *(figure(row.get(peer)) for peer in peers)]
        lines.append("| " + " | ".join([*cells, str(row["load"])]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing; write the page."""
    ledger = Path(sys.argv[1])
    found = json.loads(ledger.read_text("utf-8")) if ledger.exists() else {}
    cases = [*(("pass", *case) for case in PASSES), *(("step", *case) for case in STEPS)]
    only = os.environ.get("ONLY", "")
    wanted = [case for case in cases if only in " ".join(map(str, case))]
    missing = [case for case in wanted if " ".join(map(str, case)) not in found]
    if missing:
        builds = {"earlier": Build(earlier()), "now": Build(ROOT)}
        if PEERS.is_dir():
            builds |= {tool: Build(ROOT, PEERS) for tool in TOOLS}
        ledger.parent.mkdir(exist_ok=True)
        for case in missing:
            found[" ".join(map(str, case))] = measured(builds, *case)
            ledger.write_text(json.dumps(found), "utf-8")
    page = ROOT / "docs" / "performance.md"
    head, _, rest = page.read_text("utf-8").partition("<!-- passes -->")
    tail = rest.partition("<!-- end -->")[2]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    made = (
        f"Measured on {machine}, one thread, medians of alternating rounds (smallest to largest), "
        "in processor time of the thread; load is the machine's load average at the end of a row."
    )
    body = f"\n{made}\n\n### A pass of one's own under `capture`, times the plain pass\n\n"
    body += f"{table(found, 'pass')}\n\n### A recorded step, times plain passes\n\n"
    body += f"{table(found, 'step')}\n"
    page.write_text(f"{head}<!-- passes -->{body}<!-- end -->{tail}", "utf-8")


if __name__ == "__main__":
    main()
