"""Learn once where in a model attention is, then look there only.

A watched pass shows every operator. Between two boundaries, where a module begins or ends, they run
in a stretch; most stretches have nothing to do with attention. A later pass over the same batch
turns the dispatch mode on for the stretches that do, and shows the families only the operators that
matter there: from the scores to the projection of the output. Whatever does not go as it went
before (another module, operator or shape) is noted: such a pass is to be watched again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode

from attn_monitor.capture.notes import WIDTH
from attn_monitor.capture.provenance import Attended, Constant, Scores, tag_of
from attn_monitor.capture.record import Record
from attn_monitor.core.nouns import PartKind

PASSES: Final = 16  # until everything is watched again: what is new is not missed for long
PATIENCE: Final = 3  # passes that differ, until no later one is expected to be the same
_END: Final = "the end of a module"
_Facts = tuple[object, ...]


@dataclass(slots=True)
class Stretch:
    """The operators between two boundaries.

    Attributes:
        operators: What ran.
        wanted: The numbers of those that matter.
        constants: The numbers of those that make something of parameters alone.
    """

    operators: list[object] = field(default_factory=list)
    wanted: set[int] = field(default_factory=set)
    constants: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Lesson:
    """Where attention is in a pass over one batch.

    Attributes:
        why_not: Why passes cannot go by it; empty where they can.
        passes: How many went by it.
        differed: How many did not go as learned.
        names: The paths of the model's modules.
        boundaries: The modules that began, one by one; of those that are made on the way, classes.
        stretches: By the number of the boundary before it, each stretch that matters.
        calls: What must be the same of each attention call, and its kind.
    """

    why_not: str = "nothing was learned yet"
    passes: int = 0
    differed: int = 0
    names: dict[nn.Module, str] = field(default_factory=dict)
    boundaries: list[nn.Module | type[nn.Module] | str] = field(default_factory=list)
    stretches: dict[int, Stretch] = field(default_factory=dict)
    calls: list[tuple[_Facts, PartKind]] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether the next pass can go by it."""
        return not self.why_not and self.passes < PASSES and self.differed < PATIENCE


class Learning:
    """Fills a lesson while every operator is watched."""

    def __init__(self, lesson: Lesson, names: dict[nn.Module, str]) -> None:
        lesson.why_not, lesson.passes, lesson.names = "the pass did not end", 0, names
        lesson.boundaries, lesson.stretches, lesson.calls = [_END], {}, []
        self.names = names
        self._lesson = lesson
        self._stretch = Stretch()
        self._matters = False
        self._waiting: set[int] = set()
        self._pieces = False

    def boundary(self, module: nn.Module | None) -> None:
        """Note that a module begins, or that one ends."""
        self._close()
        here = _END if module is None else module if module in self.names else type(module)
        self._lesson.boundaries.append(here)
        self._stretch = Stretch()

    def wants(self, operator: object) -> bool:
        """Note an operator; all of them are looked at."""
        self._stretch.operators.append(operator)
        self._matters = False
        return True

    def showed(self, result: object) -> None:
        """Note whether the operator that was looked at matters."""
        number, tags = len(self._stretch.operators) - 1, list(_tags(result))
        if self._matters or any(isinstance(tag, (Scores, Attended, int)) for tag in tags):
            self._stretch.wanted.add(number)
        elif any(isinstance(tag, Constant) for tag in tags):
            self._stretch.constants.add(number)

    def attention(self, record: Record) -> None:
        """Note an attention call."""
        self._matters = True
        self._waiting.add(id(record))

    def projected(self) -> None:
        """Note that an attention output is projected."""
        self._matters = True

    def knows(self, record: Record) -> bool:
        """Note what was found out about an attention call in the end."""
        if id(record) in self._waiting:
            self._waiting.remove(id(record))
        else:
            self._pieces = True
        self._lesson.calls.append((_facts(record), record.kind))
        return True

    def end(self, errors: list[str]) -> None:
        """Finish the lesson, unless something is in the way."""
        self._close()
        pieces = "maps are put together from pieces" if self._pieces or self._waiting else ""
        nothing = "" if self._lesson.calls else "no attention was seen"
        self._lesson.why_not = next(filter(None, [pieces, nothing, *errors]), "")

    def _close(self) -> None:
        if self._stretch.wanted:
            self._stretch.wanted |= self._stretch.constants
            self._lesson.stretches[len(self._lesson.boundaries) - 1] = self._stretch


class Looking:
    """Goes by a lesson: turns the mode on where something matters, and compares.

    Attributes:
        names: The paths of the model's modules.
        difference: What was not as it was learned; empty so far.
    """

    def __init__(self, lesson: Lesson) -> None:
        lesson.passes += 1
        self.names = lesson.names
        self.difference = ""
        self._lesson = lesson
        self._mode: TorchDispatchMode | None = None
        self._boundary = 0
        self._stretch = lesson.stretches.get(0)
        self._operator = 0
        self._calls = 0

    @contextmanager
    def through(self, mode: TorchDispatchMode) -> Iterator[None]:
        """Turn ``mode`` on where something matters, until the block ends."""
        self._mode = mode
        try:
            self._turn()
            yield
        finally:
            self._leave()
            self._stretch = None
            self._turn()
            self._mode = None

    def end(self) -> None:
        """Notice what did not come."""
        if self._boundary + 1 != len(self._lesson.boundaries):
            self._differs("modules did not run")
        if self._calls != len(self._lesson.calls):
            self._differs("attention did not run")
        if self.difference:
            self._lesson.differed += 1
            self._lesson.why_not = self.difference

    def boundary(self, module: nn.Module | None) -> None:
        """Go on to the next stretch."""
        if self._stretch is not None:
            self._leave()
        at = self._boundary = self._boundary + 1
        boundaries = self._lesson.boundaries
        here = boundaries[at] if at < len(boundaries) else None
        came = _END if module is None else module
        if here is not came and here is not type(module):
            self._differs(f"{_END if module is None else type(module).__name__} was unexpected")
        stretch = None if self.difference else self._lesson.stretches.get(at)
        if stretch is not self._stretch:
            self._stretch = stretch
            self._turn()

    def wants(self, operator: object) -> bool:
        """Return whether an operator matters, and notice another one in its place."""
        stretch, at = self._stretch, self._operator
        if stretch is None or self.difference:
            return False
        self._operator = at + 1
        if at >= len(stretch.operators) or stretch.operators[at] is not operator:
            self._differs(f"{operator} was unexpected")
            return False
        return at in stretch.wanted

    def showed(self, result: object) -> None:
        """Nothing to note: it is known."""

    def attention(self, record: Record) -> None:
        """Nothing to note: it is known."""

    def projected(self) -> None:
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

    def _leave(self) -> None:
        stretch = self._stretch
        if stretch is not None and self._operator != len(stretch.operators):
            self._differs("operators did not run")
        self._operator = 0

    def _differs(self, what: str) -> None:
        self.difference = self.difference or what

    def _turn(self) -> None:
        """Turn the mode on or off, unless another one was entered in the meantime."""
        mode = self._mode
        if mode is None:
            return
        on = _get_current_dispatch_mode() is mode
        if on and self._stretch is None:
            mode.__exit__(None, None, None)
        elif not on and self._stretch is not None:
            mode.__enter__()


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
