"""Learn once which operators lie on the way of attention, then show the families these alone.

A watched pass shows every operator. Most have nothing to do with attention: those that have lie
between the scores and the projection of the output. A later pass over the same batch compares what
runs, modules and operators one by one, with what ran before, and shows the families the operators
that matter. Whatever does not go as it went before (another module, operator or shape) is noted:
such a pass is to be watched again.

Where nobody needs to know of every operator, the mode that sees them steps aside between two module
calls that have nothing to do with attention: operators there are not compared, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

from torch import Tensor, nn

from attn_monitor.capture.notes import WIDTH
from attn_monitor.capture.provenance import Attended, Constant, Pairs, Scores, Weighed, tag_of
from attn_monitor.capture.record import Record
from attn_monitor.core.nouns import PartKind

PASSES: Final = 16  # until everything is watched again
PATIENCE: Final = 3  # passes that differ, until no later one is expected to be the same
_END: Final = "the end of a module"
_TELLING: Final = (Scores, Pairs, Weighed, Attended, int)
_Facts = tuple[object, ...]


class Watcher(Protocol):
    """What sees operators, and can be told not to."""

    @property
    def is_innermost(self) -> bool:
        """Whether no other mode was entered inside of it and is still there."""

    def see(self, wanted: bool) -> None:
        """See operators from here on, or see none."""


@dataclass(slots=True)
class Lesson:
    """What ran in a pass over one batch, and what of it has to do with attention.

    Make an empty one, ``Lesson()``, and give it to :func:`capture` pass after pass.

    Attributes:
        why_not: Why passes cannot go by it; empty where they can.
        passes: How many went by it.
        differed: How many did not go as learned.
        names: The paths of the model's modules.
        events: The modules that began (of those that are made on the way, their classes), the ends
            of modules, and the operators, in their order.
        wanted: Which of them are operators that matter.
        calls: What must be the same of each attention call, and its kind.
        stretches: Where each module begins or ends among the events, and whether an operator that
            matters comes before the next one does.
        alone: No other mode was entered inside of the model.
    """

    why_not: str = "it was the first pass"
    passes: int = 0
    differed: int = 0
    names: dict[nn.Module, str] = field(default_factory=dict)
    events: list[object] = field(default_factory=list)
    wanted: set[int] = field(default_factory=set)
    calls: list[tuple[_Facts, PartKind]] = field(default_factory=list)
    stretches: list[tuple[int, bool]] = field(default_factory=list)
    alone: bool = True

    @property
    def usable(self) -> bool:
        """Whether the next pass can go by it."""
        return not self.reason

    @property
    def reason(self) -> str:
        """Why everything is to be watched in the next pass; empty where it need not be."""
        if self.differed >= PATIENCE:
            return self.why_not or f"{PATIENCE} passes went otherwise than the ones before"
        again = f"every {PASSES + 1}th pass is" if self.passes >= PASSES else ""
        return self.why_not or again


class Learning:
    """Fills a lesson while every operator is watched."""

    def __init__(self, lesson: Lesson, names: dict[nn.Module, str], watcher: Watcher) -> None:
        lesson.why_not, lesson.passes, lesson.names = "the pass did not end", 0, names
        lesson.events, lesson.wanted, lesson.calls = [], set(), []
        lesson.stretches, lesson.alone = [], True
        self.names = names
        self._lesson = lesson
        self._watcher = watcher
        self._begins: list[int] = []
        self._matters = False
        self._stretch: set[int] = set()  # what matters since a module began or ended
        self._constants: set[int] = set()  # what made something of parameters alone since then
        self._waiting: set[int] = set()
        self._together = False

    def boundary(self, module: nn.Module | None) -> None:
        """Note that a module begins, or that one ends."""
        self._close()
        here = _END if module is None else module if module in self.names else type(module)
        self._begins.append(len(self._lesson.events))
        self._lesson.events.append(here)
        self._lesson.alone = self._lesson.alone and self._watcher.is_innermost

    def wants(self, operator: object) -> bool:
        """Note an operator; all of them are looked at."""
        self._lesson.events.append(operator)
        self._matters = False
        return True

    def showed(self, result: object) -> None:
        """Note whether the operator that was looked at matters."""
        number, tags = len(self._lesson.events) - 1, list(_tags(result))
        if self._matters or any(isinstance(tag, _TELLING) for tag in tags):
            self._stretch.add(number)
        elif any(isinstance(tag, Constant) for tag in tags):
            self._constants.add(number)

    def attention(self, record: Record) -> None:
        """Note an attention call."""
        self._matters = True
        self._waiting.add(id(record))

    def projected(self, calls: Collection[int]) -> None:
        """Note that the outputs of attention calls are projected, as one where they are several."""
        self._matters = True
        self._together |= len(calls) > 1

    def knows(self, record: Record) -> bool:
        """Note what was found out about an attention call in the end."""
        if id(record) in self._waiting:
            self._waiting.remove(id(record))
        else:
            self._together = True
        self._lesson.calls.append((_facts(record), record.kind))
        return True

    def end(self, errors: list[str]) -> None:
        """Finish the lesson, unless something is in the way."""
        self._close()
        together = "several calls are put together" if self._together or self._waiting else ""
        nothing = "" if self._lesson.calls else "no attention was seen"
        self._lesson.why_not = next(filter(None, [together, nothing, *errors]), "")
        wanted, ends = self._lesson.wanted, [*self._begins, len(self._lesson.events)]
        self._lesson.stretches = [
            (first, not wanted.isdisjoint(range(first, end))) for first, end in pairwise(ends)
        ]

    def _close(self) -> None:
        if self._stretch:
            self._lesson.wanted |= self._stretch | self._constants
            self._stretch = set()
        self._constants = set()


class Looking:
    """Goes by a lesson: compares what runs, and says which operators matter.

    Attributes:
        names: The paths of the model's modules.
        difference: What was not as it was learned; empty so far.
    """

    def __init__(self, lesson: Lesson, watcher: Watcher | None) -> None:
        """Begin a pass.

        Args:
            lesson: What was learned.
            watcher: Sees operators, and need not do so where they have nothing to do with
                attention; ``None`` where it must see all of them.
        """
        lesson.passes += 1
        self.names = lesson.names
        self.difference = ""
        self._lesson = lesson
        self._events = lesson.events
        self._wanted = lesson.wanted
        self._at = 0
        self._calls = 0
        self._watcher = watcher if lesson.alone else None
        self._stretches = lesson.stretches
        self._passed = 0
        self._unseen = False  # what ran since a module began or ended

    def end(self) -> None:
        """Notice what did not come."""
        if self._unseen and self._passed == len(self._stretches):
            self._at = len(self._events)
        if self._at != len(self._events):
            self._differs("less ran")
        if self._calls != len(self._lesson.calls):
            self._differs("attention did not run")
        if self.difference:
            self._lesson.differed += 1
            self._lesson.why_not = self.difference

    def boundary(self, module: nn.Module | None) -> None:
        """Notice another module than was to come."""
        came = _END if module is None else module
        first, matters = len(self._events), False
        if self._passed < len(self._stretches):
            first, matters = self._stretches[self._passed]
        self._passed += 1
        here = self._events[first] if first < len(self._events) else None
        fits = here is came or here is type(module)
        if not (fits and (self._unseen or self._at == first)):
            self._differs(f"{_END if module is None else type(module).__name__} was unexpected")
        self._at = first + 1
        watcher = self._watcher
        if watcher is None or matters is not self._unseen:
            return
        if watcher.is_innermost:
            self._unseen = not matters
            watcher.see(matters)
        else:
            self._differs("another mode was entered inside of the model")
            self._watcher = None

    def wants(self, operator: object) -> bool:
        """Return whether an operator matters, and notice another one than was to come."""
        if self._next() is not operator:
            self._differs(f"{operator} was unexpected")
        return self._at - 1 in self._wanted and not self.difference

    def showed(self, result: object) -> None:
        """Nothing to note: it is known."""

    def attention(self, record: Record) -> None:
        """Nothing to note: it is known."""

    def projected(self, calls: Collection[int]) -> None:
        """Nothing to note: it is known."""

    def knows(self, record: Record) -> bool:
        """Return whether this is the attention call that was to come, and name its kind."""
        calls, at = self._lesson.calls, self._calls
        self._calls += 1
        facts, kind = calls[at] if at < len(calls) else ((), record.kind)
        if facts != _facts(record):
            self._differs(f"the attention of {record.module} was unexpected")
        record.kind = kind
        return not self.difference

    def _next(self) -> object:
        at = self._at
        self._at = at + 1
        return self._events[at] if at < len(self._events) else None

    def _differs(self, what: str) -> None:
        self.difference = self.difference or what


Lessons = Learning | Looking


def _facts(record: Record) -> _Facts:
    """Return what must not change about an attention call."""
    tensors = (record.query, record.key, record.value, record.output_projection)
    shapes = (None if tensor is None else tuple(tensor.shape) for tensor in tensors)
    called = record.module, record.call, record.source, type(record.rule)
    known = record.mixed is None, record.projected is None
    return *called, record.shape, record.windows, *known, *shapes


def _tags(result: object) -> Iterator[object]:
    """Yield the tags of an operator's results, and the widths that padding needs."""
    if isinstance(result, Tensor):
        yield tag_of(result)
        yield getattr(result, WIDTH, None)
    elif isinstance(result, (tuple, list)):
        for each in result:
            yield from _tags(each)
