"""What a long sweep found so far, kept in a file: one that was stopped goes on where it was.

A sweep is made of batches; what happens in one follows from the seed, its number and the code. So a
ledger is named by the code that its batches tried, whichever commit that belongs to.
"""

from __future__ import annotations

import hashlib
import json
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
STORE = ("attn_monitor/core", "attn_monitor/store")
SERVER = (*STORE, "tb_plugin/server")


def kept_at(sweep: str, tried: tuple[str, ...] = SERVER) -> Path:
    """Return where a sweep's ledger is kept, as long as the code that it tries stays the same.

    Args:
        sweep: Its name; the code of the sweep itself counts too.
        tried: Folders of what it tries.
    """
    files = sorted(path for folder in tried for path in (ROOT / folder).rglob("*.py"))
    own = [Path(__file__).with_name(f"{sweep}.py"), Path(__file__)]
    code = hashlib.sha256(b"".join(path.read_bytes() for path in [*files, *own])).hexdigest()
    (ROOT / "build").mkdir(exist_ok=True)
    return ROOT / "build" / f"{sweep}-{code[:8]}.jsonl"


@dataclass
class Outcome:
    """What happened, and everything that should not have.

    Attributes:
        done: How many of each thing were done.
        statuses: How often each HTTP status was answered.
        faults: How often each kind of fault was met.
        examples: One traceback of each kind.
        slowest: Seconds that the slowest request took.
    """

    done: Counter = field(default_factory=Counter)
    statuses: Counter = field(default_factory=Counter)
    faults: Counter = field(default_factory=Counter)
    examples: dict = field(default_factory=dict)
    slowest: float = 0.0

    def fault(self, where, name=None):
        """Note the exception that is being handled, by where in our code it came from."""
        trace = traceback.format_exc()
        if name is None:
            ours = [
                line
                for line in trace.splitlines()
                if "/attn_monitor/" in line or "/tb_plugin/" in line
            ]
            name = f"{type(sys.exc_info()[1]).__name__} at {ours[-1].strip() if ours else '?'}"
        self.faults[name] += 1
        self.examples.setdefault(name, f"{where}\n{trace[-1500:]}")

    def add(self, other):
        """Add what another batch found."""
        self.done.update(other.done)
        self.statuses.update(other.statuses)
        self.faults.update(other.faults)
        self.examples = {**other.examples, **self.examples}
        self.slowest = max(self.slowest, other.slowest)


def run(
    batch: Callable[[int], Outcome],
    *,
    batches: int,
    ledger: Path | None = None,
    say: Callable[[Outcome], object] = lambda _outcome: None,
) -> Outcome:
    """Do the batches that the ledger does not have yet; return what all of them found.

    Args:
        batch: Does the batch of this number.
        batches: How many there are.
        ledger: Where each batch is noted; not at all by default.
        say: Is told after every batch.
    """
    found = Outcome()
    first = 0
    if ledger is not None and ledger.exists():
        for line in ledger.read_text().splitlines()[:batches]:
            fields = json.loads(line)
            for name in ("done", "faults"):
                fields[name] = Counter(fields[name])
            statuses = {int(status): count for status, count in fields["statuses"].items()}
            fields["statuses"] = Counter(statuses)
            found.add(Outcome(**fields))
            first += 1
    for at in range(first, batches):
        one = batch(at)
        found.add(one)
        if ledger is not None:
            with ledger.open("a") as file:
                file.write(json.dumps(vars(one)) + "\n")
        say(found)
    return found


def tell(found):
    """Print what was found; return the exit status."""
    counts = ", ".join(f"{count:,} {what}" for what, count in found.done.items())
    print(f"\r{counts}; slowest {found.slowest:.1f} s; {dict(found.statuses)}")
    for name, count in found.faults.most_common():
        print(f"{count} x {name}\n{found.examples.get(name, '')}")
    print(f"{found.faults.total()} faults")
    return 1 if found.faults else 0


def progress(found):
    """Print how far it is, on one line."""
    counts = ", ".join(f"{count:,} {what}" for what, count in found.done.items())
    print(f"\r{counts}, {found.faults.total()} faults", end="", flush=True)
