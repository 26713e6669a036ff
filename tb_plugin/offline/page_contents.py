"""Fills a page: asks every question that the tab will ask, and keeps the answers that fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from attn_monitor.core.errors import CorruptRecordingError, NotRecordedError
from attn_monitor.core.nouns import Part, Probe
from attn_monitor.store import Run
from attn_monitor.store.names import map_shape
from tb_plugin.offline.choice import Cost, fit, in_turn, opening
from tb_plugin.offline.page import PageWriter, page_bytes
from tb_plugin.offline.questions import Question, Questions
from tb_plugin.server.describe import describe_run, dump_json
from tb_plugin.server.excerpt import Excerpt
from tb_plugin.server.index import describe_entry, describe_index
from tb_plugin.server.means import means_of
from tb_plugin.server.readers import Readers
from tb_plugin.server.routes import ROUTES, answer

LENS_SHARE = 0.25
_PILE_BYTES = 100  # of one head at one step, as JSON
_NUMBER_BYTES = 13  # of a float as JSON: 25 characters of 16 kinds, deflated to half a byte each
_SPARE_BYTES = 4000  # the list of runs, and notes


class Contents:
    """The answers of one run, which must not change meanwhile.

    Attributes:
        lenses: How many heads have a HeadLens in the page, at the step with most of them.
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
        self._readers = Readers(0)  # nothing is asked twice

    def write(self, wanted: Excerpt, limit: int, *, lenses: Collection[int] | None) -> Excerpt:
        """Write what fits of ``wanted`` into ``limit`` bytes; return what did.

        Args:
            wanted: What is asked for.
            limit: Bytes that the page may have.
            lenses: Steps at which HeadLens is wanted; ``None`` leaves out all that is computed head
                by head.

        Raises:
            ConfigurationError: Not even one sentence fits at one step.
        """
        parts = [self._run.part(name) for name in wanted.parts]
        probes = [self._run.probe(index) for index in wanted.probes]
        self._keep("curves", [self._ask.means(wanted.parts)])
        lens_steps: frozenset[int] = frozenset()
        if lenses is not None:
            most = self._page.size + int(LENS_SHARE * limit)
            lens_steps = self._keep_lenses(parts, lenses, most=most)
            self._keep_over_time(parts, opening(self._run, probes), most=most)
        # The description comes last, when it is known what it describes.
        reserved = 2 * page_bytes(len(self._description(wanted)) + _SPARE_BYTES)
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
            vectors=lens_steps & frozenset(steps),
            notes=notes(self._run, parts=wanted.parts, probes=fitting, steps=steps),
        )
        self._keep("sentences", [self._ask.of_probes(there.parts, [probe]) for probe in fitting])
        self._keep("steps", [self._of_step(step, there) for step in steps])
        room = limit - reserved
        there = replace(there, means=self._keep_means(parts, there, most=room))
        self._page.answer(self._ask.run(), self._description(there))
        entry = describe_entry(self._name, self._run)
        self._page.answer(self._ask.index(), dump_json(describe_index([entry])))
        self._page.finish()
        return there

    def _keep_means(self, parts: Sequence[Part], there: Excerpt, *, most: float) -> frozenset[int]:
        """Add means over sentences where there is room left, and return which."""
        found = set()
        for mean in means_of(self._run, there.probes):
            cost = self._cost(parts, mean.of[0])
            if self._page.size + cost.once + len(there.maps) * cost.each_step <= most:
                index = [mean.probe.index]
                steps = [self._ask.maps(step, there.parts, index) for step in sorted(there.maps)]
                self._keep("means", [self._ask.of_probes(there.parts, index), *steps])
                found.add(mean.probe.index)
        return frozenset(found)

    def _keep_lenses(
        self, parts: Sequence[Part], steps: Iterable[int], *, most: int
    ) -> frozenset[int]:
        """Add HeadLens, later steps first, and return at which steps there is any."""
        found = set()
        for step in sorted(steps, reverse=True):
            asked = [pair for part in parts for pair in self._ask.lenses(part, step)]
            kept = self._keep("HeadLens", asked, most=most)
            self.lenses = max(self.lenses, kept)
            if kept:
                found.add(step)
        return frozenset(found)

    def _keep_over_time(self, parts: Sequence[Part], probe: Probe, *, most: int) -> None:
        piled = [(q,) for part in parts for q in self._ask.over_time(part, probe.index)]
        self._keep("heads over time", piled, most=most)

    def _of_step(self, step: int, there: Excerpt) -> Iterator[Question]:
        yield from self._ask.of_step(step, there.parts, there.probes)
        if self._run.classes is not None:
            yield from self._ask.classes(step, there.probes)

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
                query = ROUTES[question.route].read(question.parameters)
                self._page.answer(question, answer(question.route, self._readers, self._run, query))
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
        if self._run.classes is not None:
            tokens, classes = len(self._run.probe(probe).source.text), self._run.classes.names
            each_step += page_bytes((tokens + 1) * len(classes) * _NUMBER_BYTES + 100)
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
