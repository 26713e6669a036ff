"""Does the mask hold: what an audit of a model's masks found, one check per rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

Rule = Literal[
    "future", "padding", "document", "sentence", "window", "undefined", "blind", "unread"
]
RULES: Final[tuple[Rule, ...]] = get_args(Rule)
During = Literal["", "training", "inference"]
DURING: Final[tuple[During, ...]] = get_args(During)
_OF_OUTPUTS: Final[tuple[Rule, ...]] = ("undefined", "blind", "unread")
_WHAT: Final[dict[Rule, str]] = {
    "future": "later tokens",
    "padding": "padding",
    "document": "another document of the row",
    "sentence": "another sentence of the batch",
    "window": "tokens outside the window",
    "undefined": "no numbers",
    "blind": "no other token",
    "unread": "tokens that it may read",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskCheck:
    """One rule, checked on one pair of streams.

    Attributes:
        rule: What may not be read; or ``"undefined"``: outputs that are no numbers, or ``"blind"``:
            outputs that depend on no token that they may read, or ``"unread"``: tokens that no
            other output depends on, though some may read them. ``pairs`` counts outputs then, or
            tokens.
        reader: Whose outputs were looked at: ``"tokens"``, ``"target"`` or ``"answer"``, which is
            one output per sentence.
        read: Whose embeddings must not reach them: ``"tokens"``, ``"target"`` or ``"source"``.
        said_by: Who says that they may not.
        pairs: Forbidden pairs that were tried.
        leaks: Those that leak.
        query: Column of the output of the pair that leaks most, from 0; -1 where none does.
        key: Column of the token that it reads.
        size: How much that token moves the output, as a share of the most that any token does.
        first: The first module whose output shows it; empty where none leaks.
        during: ``"training"`` where only a pass in training mode shows it, ``"inference"`` where
            only one in evaluation mode without gradients does; empty else.
    """

    rule: Rule
    reader: str
    read: str
    said_by: str
    pairs: int
    leaks: int = 0
    query: int = -1
    key: int = -1
    size: float = 0.0
    first: str = ""
    during: During = ""

    @property
    def sentence(self) -> str:
        """What was found, with its figures."""
        if not self.leaks:
            return (
                f"{self.reader} cannot read {_WHAT[self.rule]} (0 of {self.pairs:,} pairs; "
                f"{self.said_by})"
            )
        during = f" during {self.during} alone" * bool(self.during)
        if self.rule == "undefined":
            return (
                f"{self.leaks:,} of {self.pairs:,} outputs of the {self.reader} are no numbers"
                f"{during}: what may read nothing has none; first in {self.first or 'the model'}"
            )
        if self.rule == "blind":
            return (
                f"{self.leaks:,} of {self.pairs:,} outputs of the {self.reader} that were tried "
                f"depend on no {'other token' if self.read == self.reader else self.read}, though "
                f"they may: everything is masked{during}"
            )
        if self.rule == "unread":
            return (
                f"{self.leaks:,} of {self.pairs:,} {self.read} that were tried reach no output but "
                f"their own, {self.read.removesuffix('s')} {self.key + 1} for one, though others "
                f"may read them{during}"
            )
        at = "the answer" if self.reader == "answer" else f"an output of the {self.reader}"
        if self.query >= 0:
            at = f"the output at {self.reader.removesuffix('s')} {self.query + 1}"
        read = f"{self.read.removesuffix('s')} {self.key + 1}, {_WHAT[self.rule]}"
        return (
            f"{self.leaks:,} of {self.pairs:,} pairs leak{during}: {at} depends on {read} "
            f"({100 * self.size:.2g} % of its "
            f"strongest token); first in {self.first or 'the model'}. Forbidden by {self.said_by}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskAudit:
    """What an audit of a model's masks found.

    Attributes:
        checks: What was checked; empty where nothing says which tokens may read which.
        unknown: What was not checked, and why; empty where everything was.
    """

    checks: tuple[MaskCheck, ...] = ()
    unknown: str = ""

    @property
    def pairs(self) -> int:
        """Forbidden pairs that were tried."""
        return sum(check.pairs for check in self.checks if check.rule not in _OF_OUTPUTS)

    @property
    def leaks(self) -> int:
        """Forbidden pairs that leak."""
        return sum(check.leaks for check in self.checks if check.rule not in _OF_OUTPUTS)

    @property
    def holds(self) -> bool | None:
        """Whether no forbidden pair leaks and no output is cut off; ``None`` if none was tried."""
        if any(check.leaks for check in self.checks):
            return False
        return True if self.pairs else None

    @property
    def sentence(self) -> str:
        """The verdict in one sentence: ``mask: holds (0 of 1,128 forbidden pairs leak)``."""
        if self.holds is False:
            return "mask: " + "; ".join(c.sentence for c in worst_first(self.checks) if c.leaks)
        if self.pairs:
            rules = dict.fromkeys(_WHAT[check.rule] for check in self.checks)
            return f"mask: holds (0 of {self.pairs:,} forbidden pairs leak: {', '.join(rules)})"
        return f"mask: unknown; {self.unknown}"


def worst_first(checks: Sequence[MaskCheck]) -> list[MaskCheck]:
    """Return checks with the one that leaks most first."""
    return sorted(checks, key=lambda check: -check.leaks)
