"""The nouns of a recording: parts, layers, heads, probes, steps, metrics.

Layers and heads count from 0 in code and in files and from 1 on screen; :meth:`HeadId.label` is
the only place that adds the one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Split = Literal["val", "train", "lens", "val_output", "train_output", "asked"]
MEASURED: Final[tuple[Split, ...]] = ("val", "train")  # whose attention means are taken over
PartKind = Literal["self", "cross"]
Evidence = Literal["model", "verified", "unverified"]
Proof = Literal["seen", "tried", "described", "position"]


class HeadId(NamedTuple):
    """One attention head: a type, never a string that is parsed back."""

    part: str
    layer: int
    head: int

    def label(self) -> str:
        """``L3 H7``, counted from 1 as people do."""
        return f"L{self.layer + 1} H{self.head + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One attention call of the model, in execution order inside its part.

    Attributes:
        name: Module path, for example ``encoder.layers.0.self_attn``; repeated calls of a shared
            module are told apart as ``name#1``, ``name#2``.
        heads: Number of heads.
        evidence: How the weights were obtained: ``"model"`` is the very tensor the model
            multiplied with its values; ``"verified"`` was recomputed from queries and keys and
            reproduces the layer's output; ``"unverified"`` was recomputed and not checked.
        error: Largest absolute difference between weights times values and the layer's own
            output on the first probes; ``None`` when nothing was checked.
    """

    name: str
    heads: int
    evidence: Evidence = "unverified"
    error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stream of attention layers: ``"encoder"``, ``"decoder"``, ``"cross"`` or a module path.

    Attributes:
        name: The part's name, unique in a run.
        kind: ``"self"`` when queries and keys are the same tokens, else ``"cross"``.
        causal: No query sees a key after itself.
        layers: The layers in execution order.
        rows: How it is known which map is which sentence's: ``"seen"`` was followed from the
            batch to the attention; ``"tried"`` is what moved when the batch was changed;
            ``"position"`` is a guess by the order in the batch; ``None``
            where nobody noted it, as in earlier recordings.
        words: How it is known which token stands where: ``"seen"`` likewise; ``"described"`` is
            what the user said; ``"position"`` are numbers, because nobody knows.
    """

    name: str
    kind: PartKind
    causal: bool
    layers: tuple[Layer, ...]
    rows: Proof | None = None
    words: Proof | None = None

    @property
    def heads(self) -> int:
        """The largest head count of the part's layers; arrays are padded to it."""
        return max(layer.heads for layer in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchImage:
    """The image behind a sentence of patches: each token that is not special is one square of it.

    Attributes:
        rows: Patches from top to bottom.
        columns: Patches from left to right; tokens run along rows.
        side: Pixels along a patch's edge, small: this is a label, not the model's input.
        channels: 1 for grey, 3 for red, green, blue.
        pixels: One byte per channel of every pixel, in reading order.
    """

    rows: int
    columns: int
    side: int
    channels: int
    pixels: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of one sentence, valid ones only (no padding).

    Attributes:
        text: One string per token, as the tokenizer spells it.
        special: Positions of tokens that are not words (``[CLS]``, ``<s>``, ...).
        image: What the tokens are patches of, ``None`` for words.
        values: What stands at each, beside its name: the number of a feature; empty for words.
        documents: Where each of several documents in a row begins, 0 the first: no token reads
            across. Empty for one document, or where nobody can tell.
    """

    text: tuple[str, ...]
    special: tuple[int, ...] = ()
    image: PatchImage | None = None
    values: tuple[str, ...] = ()
    documents: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartAxes:
    """The tokens along the two axes of one part's maps, where they are of their own.

    Attributes:
        part: The part's name.
        query: One token per query.
        key: One token per key.
    """

    part: str
    query: Tokens
    key: Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One sentence replayed at every recorded step.

    Attributes:
        index: Position in the run's list of probes.
        split: ``"val"`` or ``"train"``: which loader it was drawn from; ``"asked"``: added when
            these had been recorded, and in no mean. Nobody pages through the others: ``"lens"``, a
            validation sentence whose queries and keys HeadLens clusters; ``"val_output"`` and
            ``"train_output"``, of which only the model's output is recorded.
        source: The tokens an encoder (or a model with a single stream) reads.
        target: The tokens a decoder reads beside an encoder, else ``None``.
        own_axes: The tokens of parts that read neither of these two as they are: a second text,
            some of the tokens, tokens that the model added.
        title: What the user calls it: a series and a date, a row; ``None`` without a title.
        muted: Heads that added nothing to their layers when it was asked.
    """

    index: int
    split: Split
    source: Tokens
    target: Tokens | None = None
    own_axes: tuple[PartAxes, ...] = ()
    title: str | None = None
    muted: tuple[HeadId, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether attention metrics are computed on it."""
        return self.split in (*MEASURED, "asked")

    @property
    def query_tokens(self) -> tuple[str, ...]:
        """The tokens that ask: the target's where there is one, else the source's."""
        return (self.target or self.source).text

    @property
    def key_tokens(self) -> tuple[str, ...]:
        """The tokens that are looked at in cross-attention; the source's."""
        return self.source.text

    def axes(self, part: Part) -> tuple[Tokens, Tokens]:
        """Return the (query, key) tokens along the two axes of this part's maps."""
        for own in self.own_axes:
            if own.part == part.name:
                return own.query, own.key
        if part.kind == "cross":
            return (self.target or self.source), self.source
        if part.name == "decoder" and self.target is not None:
            return self.target, self.target
        return self.source, self.source


def metric_rows(probes: Sequence[Probe]) -> int:
    """Return the length of the probe axis of metrics: up to the last probe that is measured."""
    return max((place + 1 for place, probe in enumerate(probes) if probe.measured), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """What a per-head number means: enough for an axis, a legend, a tooltip and a sort key.

    Attributes:
        name: Identifier in files, tags and URLs.
        title: Name on screen.
        unit: What the number counts, for example ``"share of attention"``.
        low: Smallest possible value, ``None`` if unbounded.
        high: Largest possible value, ``None`` if unbounded.
        reading: One sentence: what low and high values look like.
        direction: The order in which sorting shows heads.
        source: Paper and equation or section, or ``"attn_monitor"``.
    """

    name: str
    title: str
    unit: str
    low: float | None
    high: float | None
    reading: str
    direction: Literal["ascending", "descending"] = "ascending"
    source: str = "attn_monitor"
