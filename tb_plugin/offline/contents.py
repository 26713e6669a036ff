"""Fills a page: asks every question that the tab will ask, and keeps the answers that fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from attn_monitor.core.errors import CorruptRecordingError, NotRecordedError
from attn_monitor.core.types import Part
from attn_monitor.store import Run
from attn_monitor.store.layout import map_shape
from tb_plugin.offline.answers import Answers
from tb_plugin.offline.choice import Cost, fit, in_turn
from tb_plugin.offline.page import PageWriter, page_bytes
from tb_plugin.offline.questions import Question, Questions
from tb_plugin.server.describe import describe_run, dump_json
from tb_plugin.server.excerpt import Excerpt
from tb_plugin.server.index import describe_entry, describe_index

LENS_SHARE = 0.25
_PILE_BYTES = 100  # of one head at one step, as JSON
_SPARE_BYTES = 4000  # the list of runs, and notes


class Contents:
    """The answers of one run, which must not change meanwhile.

    Attributes:
        lenses: How many heads have a HeadLens in the page.
        unread: How many questions the recording could not answer; where they are asked, the page
            says that it has no answer.
    """

    def __init__(
        self, run: Run, name: str, page: PageWriter, progress: Callable[[str, int, int], None]
    ) -> None:
        self.lenses = 0
        self.unread = 0
        self._run = run
        self._name = name
        self._page = page
        self._progress = progress
        self._ask = Questions(name)
        self._answers = Answers(run)

    def write(self, wanted: Excerpt, limit: int, *, lenses: bool) -> Excerpt:
        """Write what fits of ``wanted`` into ``limit`` bytes; return what did.

        Raises:
            ConfigurationError: Not even one sentence fits at one step.
        """
        parts = [self._run.part(name) for name in wanted.parts]
        probes = [self._run.probe(index) for index in wanted.probes]
        self._keep("curves", [self._ask.means(wanted.parts)])
        lens_step = max(wanted.maps & wanted.vectors, default=None) if lenses else None
        if lenses:
            most = self._page.size + int(LENS_SHARE * limit)
            self._keep_heads(parts, lens_step, first=in_turn(probes)[:1], most=most)
        # The description comes last, when it is known what it describes.
        reserved = 2 * page_bytes(len(self._description(wanted)) + _SPARE_BYTES)
        lens_steps = {lens_step} if lens_step is not None and self.lenses else set()
        steps, fitting = fit(
            sorted(wanted.maps),
            {index: self._cost(parts, index) for index in in_turn(probes)},
            limit - self._page.size - reserved,
            step_cost=sum(page_bytes(heads * _PILE_BYTES) for heads in map(_heads, parts)),
            keep=lens_steps,
        )
        there = replace(
            wanted,
            probes=fitting,
            maps=frozenset(steps),
            vectors=frozenset(lens_steps),
            notes=notes(self._run, parts=wanted.parts, probes=fitting, steps=steps),
        )
        self._keep("sentences", [self._ask.of_probes(there.parts, [probe]) for probe in fitting])
        self._keep("steps", [self._ask.of_step(step, there.parts, fitting) for step in steps])
        self._page.answer(self._ask.run(), self._description(there))
        entry = describe_entry(self._name, self._run)
        self._page.answer(self._ask.index(), dump_json(describe_index([entry])))
        self._page.finish()
        return there

    def _keep_heads(
        self, parts: Sequence[Part], step: int | None, *, first: Iterable[int], most: int
    ) -> None:
        """Add what is computed head by head, while the page is smaller than ``most`` bytes."""
        if step is not None:
            asked = [pair for part in parts for pair in self._ask.lenses(part, step)]
            self.lenses = self._keep("HeadLens", asked, most=most)
        piled = [
            (q,) for probe in first for part in parts for q in self._ask.over_time(part, probe)
        ]
        self._keep("heads over time", piled, most=most)

    def _keep(
        self, what: str, asked: Sequence[Iterable[Question]], *, most: float = math.inf
    ) -> int:
        """Add answers while the page is smaller than ``most`` bytes; return to how many groups."""
        for done, questions in enumerate(asked):
            self._progress(what, done, len(asked))
            if self._page.size > most:
                return done
            self._answer(questions)
        self._progress(what, len(asked), len(asked))
        return len(asked)

    def _answer(self, questions: Iterable[Question]) -> None:
        for question in questions:
            try:
                self._page.answer(question, self._answers.answer(question))
            except (NotRecordedError, CorruptRecordingError):
                self.unread += 1

    def _description(self, there: Excerpt) -> bytes:
        return dump_json(describe_run(self._run, self._name, excerpt=there))

    def _cost(self, parts: Iterable[Part], probe: int) -> Cost:
        once = each_step = 0
        for part in parts:
            layers, heads, queries, keys = map_shape(part, self._run.probe(probe))
            numbers = len(self._run.steps) * (layers * heads * len(self._run.metrics) + 1)
            once += page_bytes(4 * numbers)
            each_step += page_bytes(layers * heads * queries * (keys + 4))
        return Cost(once=once, each_step=each_step)


def _heads(part: Part) -> int:
    return sum(layer.heads for layer in part.layers)


def notes(
    run: Run, *, parts: Collection[str], probes: Collection[int], steps: Collection[int]
) -> tuple[str, ...]:
    """Return what the page should say is missing in it, in whole sentences."""
    sentences = sum(probe.measured for probe in run.probes)
    found = []
    if len(probes) < sentences or len(steps) < len(run.steps):
        found.append(
            f"This file holds the maps of {len(probes)} of {sentences} sentences "
            f"at {len(steps)} of {len(run.steps)} steps."
        )
    if missing := [part for part in run.parts if part not in parts]:
        found.append(f"Parts that are not in this file: {', '.join(missing)}.")
    return tuple(found)
