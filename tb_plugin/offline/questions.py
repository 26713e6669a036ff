"""What the tab will ask of a page, in the words of ``http_api.md``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from attn_monitor.core.nouns import MEASURED, Part

LENS_CLUSTERS = 16  # what HeadLens opens with
FIRST_CUT = 150  # of a head's piles over time, in thousandths: what the tab opens with


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question.

    Attributes:
        route: Which route, without a slash.
        parameters: Its parameters; a page needs no version of a step, it holds one.
    """

    route: str
    parameters: Mapping[str, str]

    @property
    def text(self) -> str:
        """As in an address: ASCII, and ``&`` the only character of markup."""
        return f"{self.route}?{urlencode(self.parameters)}"


class Questions:
    """Questions about one run, by its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def index(self) -> Question:
        """Ask for the list of runs."""
        return Question(route="index", parameters={})

    def run(self) -> Question:
        """Ask for everything about the run but its arrays."""
        return self._about("run")

    def means(self, parts: Iterable[str]) -> Iterator[Question]:
        """Ask for what is shown of the run as a whole: its signals, metrics as means."""
        yield self._about("signals")
        for part in parts:
            yield self._about("curves", part=part)
            for split in MEASURED:
                yield self._about("metrics", part=part, split=split)

    def lenses(self, part: Part, step: int) -> Iterator[tuple[Question, Question]]:
        """Ask for HeadLens of every head of a part, each with its elbow."""
        for layer, heads in enumerate(layer.heads for layer in part.layers):
            for head in range(heads):
                of: dict[str, str | int] = {"step": step, "part": part.name, "layer": layer}
                of |= {"head": head, "k": LENS_CLUSTERS}
                yield self._about("lens", **of), self._about("elbow", **of)

    def of_probes(self, parts: Iterable[str], probes: Iterable[int]) -> Iterator[Question]:
        """Ask for the metrics of single sentences."""
        for part in parts:
            for probe in probes:
                yield self._about("metrics", part=part, probe=probe)

    def over_time(self, part: Part, probe: int) -> Iterator[Question]:
        """Ask how the steps of every head pile on one sentence, at the cut the tab opens with."""
        for layer, heads in enumerate(layer.heads for layer in part.layers):
            for head in range(heads):
                of: dict[str, str | int] = {"part": part.name, "layer": layer, "head": head}
                yield self._about("over_time", **of, probe=probe, cut=FIRST_CUT)

    def of_step(self, step: int, parts: Iterable[str], probes: Sequence[int]) -> Iterator[Question]:
        """Ask for what is drawn at one step: maps of sentences, which heads pile or are alike."""
        for part in parts:
            yield from self.maps(step, (part,), probes)
            yield self._about("piles", step=step, part=part)
            yield self._about("redundancy", step=step, part=part)

    def maps(self, step: int, parts: Iterable[str], probes: Sequence[int]) -> Iterator[Question]:
        """Ask for the maps of sentences at one step."""
        for part in parts:
            for probe in probes:
                yield self._about("attention", step=step, part=part, probe=probe)

    def classes(self, step: int, probes: Iterable[int]) -> Iterator[Question]:
        """Ask what sentences were answered with at one step."""
        for probe in probes:
            yield self._about("classes", step=step, probe=probe)

    def _about(self, route: str, **parameters: str | int) -> Question:
        texts = {name: str(value) for name, value in parameters.items()}
        return Question(route=route, parameters={"run": self._name, **texts})
