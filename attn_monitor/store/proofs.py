"""What a recording says of the training that it watched: whether that was left as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from attn_monitor.store.run import Run

NAMED: Final = 5  # of what was put back


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """The proofs of all steps in short.

    Attributes:
        steps: How many steps were checked: parameters, buffers, optimizer, random state and the
            batches seen were compared before and after the replay, and nothing had moved.
        of: How many steps there are.
        put_back: What the model changed when it was run, by name; it was put back.
        lent: How many steps show weights that were in place for the validation only.
    """

    steps: int
    of: int
    put_back: tuple[str, ...]
    lent: int

    @property
    def sentences(self) -> tuple[str, ...]:
        """The proof as the terminal and the tab say it: what was checked, put back, and lent."""
        some = "" if self.steps == self.of else f" of {self.of}"
        said = [f"training untouched: checked at {_steps(self.steps)}{some}"]
        if self.put_back:
            names = ", ".join(self.put_back[:NAMED])
            more = len(self.put_back) - NAMED
            rest = f" and {more} more" if more > 0 else ""
            said.append(f"changed by the model when it is run, and put back: {names}{rest}")
        if self.lent:
            shown = "shows" if self.lent == 1 else "show"
            which = "weights that were in place for the validation only"
            said.append(f"{_steps(self.lent)} {shown} {which}")
        return tuple(said)


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def proofs_of(run: Run) -> Proofs | None:
    """Return what was checked in a recording; ``None`` if nothing was, as in those of old."""
    proofs = [proof for step in run.steps if (proof := run.untouched(step)) is not None]
    if not proofs:
        return None
    return Proofs(
        steps=len(proofs),
        of=len(run.steps),
        put_back=tuple(sorted({name for proof in proofs for name in proof.put_back})),
        lent=sum(proof.lent for proof in proofs),
    )
