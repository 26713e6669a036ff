"""What goes into a recording and what comes out of it, as plain frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from attn_monitor.core.class_answer import ClassAnswer, ClassLayer
from attn_monitor.core.kept import Kept
from attn_monitor.core.nouns import MetricSpec, Part, Probe

Option = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What stays the same at every recorded step.

    Attributes:
        parts: The model's streams of attention layers.
        probes: The sentences replayed at every step; a rank lists only those it replays.
        metrics: What each number on the metric axis means, in order.
        uniform: Per part, the same metrics for a head that attends evenly: the baseline.
        options: The options of the callback, for the reader's information.
        classes: What the model decides between; ``None`` if it does not classify sentences.
        outputs: What each number about the model's output means, in order.
        kept: What is written of each probe; empty where nobody said, as in earlier recordings.
    """

    parts: tuple[Part, ...]
    probes: tuple[Probe, ...]
    metrics: tuple[MetricSpec, ...]
    uniform: Mapping[str, Float[np.ndarray, "_layer _metric"]]
    options: Mapping[str, Option] = field(default_factory=dict)
    outputs: tuple[MetricSpec, ...] = ()
    kept: tuple[Kept, ...] = ()
    classes: ClassLayer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """The queries, keys and values of one probe as attention gets them; stored as float16.

    Attributes:
        query: One vector per query token.
        key: One vector per key token.
        value: One vector per key token; ``None`` where nobody asked for them.
        widths: Entries of each head's query and of its value, where heads differ or were not seen
            (0); what lies beyond is no part of its vectors. ``None``: every head fills the arrays.
    """

    query: Float[np.ndarray, "layer head query d_head"]
    key: Float[np.ndarray, "layer head key d_head"]
    value: Float[np.ndarray, "layer head key d_value"] | None = None
    widths: Int[np.ndarray, "layer head 2"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MapWindow:
    """A corner of maps that were too large to keep: exact weights between some tokens.

    Weights are shares of the whole row, so a row sums to what its query gives to the window's
    keys; the rest went to keys outside of it.

    Attributes:
        attn: The weights.
        query_start: Position of the first query token in the sentence.
        key_start: Position of the first key token in the sentence.
    """

    attn: Float[np.ndarray, "*layer head query key"]
    query_start: int = 0
    key_start: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """Coarse maps of a whole sentence: attention between stretches of tokens, not tokens.

    A cell is the share of attention that an average query of its row's stretch gives to its
    column's stretch as a whole, so rows sum to 1 if the model's do.

    Attributes:
        cells: The shares.
        layers: The layers they belong to.
        heads: The heads they belong to.
        query_edges: Where the stretches of queries begin, and, last, where the last one ends.
        key_edges: Likewise for keys.
    """

    cells: Float[np.ndarray, "*layer head row column"]
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    query_edges: tuple[int, ...]
    key_edges: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Untouched:
    """That recording a step left the training as it was.

    Attributes:
        checked: Fingerprint of the parameters, the optimizer, the random state and the batches
            seen, the same before and after.
        put_back: What the model changes when it is run, by name; it was put back.
        lent: Whether the step shows weights that were in place for the validation only, such as
            averaged ones, and not those that are trained.
    """

    checked: str
    put_back: tuple[str, ...] = ()
    lent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """Everything recorded at one step.

    Attributes:
        step: Optimizer steps taken so far.
        epoch: Epoch the step belongs to.
        attention: Part, then probe index, then maps cropped to the probe's valid tokens, heads
            padded with zeros to the part's largest head count. Probes that the byte budget left
            without whole maps are absent.
        metrics: Per part, the metrics computed from the original floats; the probe axis follows
            :attr:`RunInfo.probes` up to the last one that is measured. NaN means undefined.
        scalars: Numbers of the whole step, such as ``val_loss``.
        vectors: Part, then probe index, then queries and keys; empty unless asked for.
        outputs: The numbers of :attr:`RunInfo.outputs` for every probe, ``None`` without any.
        classes: Probe index, then class scores and what every token of its source adds to them.
        windows: Part, then probe index, then the window that is kept of maps too large to keep.
        thumbnails: Part, then probe index, then coarse maps.
        untouched: What was compared before and after the replay; ``None`` if nothing was.
        watched: Why every operator of the replay was watched; empty where those alone were looked
            at that an earlier pass had shown to matter; ``None`` where that is not known.
    """

    step: int
    epoch: int
    attention: Mapping[str, Mapping[int, Float[np.ndarray, "_layer _head _query _key"]]]
    metrics: Mapping[str, Float[np.ndarray, "_probe _layer _head _metric"]]
    scalars: Mapping[str, float] = field(default_factory=dict)
    vectors: Mapping[str, Mapping[int, Vectors]] = field(default_factory=dict)
    outputs: Float[np.ndarray, "_probe _statistic"] | None = None
    classes: Mapping[int, ClassAnswer] = field(default_factory=dict)
    windows: Mapping[str, Mapping[int, MapWindow]] = field(default_factory=dict)
    thumbnails: Mapping[str, Mapping[int, Thumbnail]] = field(default_factory=dict)
    untouched: Untouched | None = None
    watched: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadVectors:
    """Vectors of one head over all probes that have them, one row per token.

    Attributes:
        query: Query vectors.
        key: Key vectors.
        value: Value vectors of the same tokens as the keys; ``None`` where they were not recorded.
        query_probe: Index of the probe each query row comes from.
        query_position: Position of its token in that probe.
        key_probe: Index of the probe each key row comes from.
        key_position: Position of its token in that probe.
    """

    query: Float[np.ndarray, "queries d_head"]
    key: Float[np.ndarray, "keys d_head"]
    query_probe: Int[np.ndarray, " queries"]
    query_position: Int[np.ndarray, " queries"]
    key_probe: Int[np.ndarray, " keys"]
    key_position: Int[np.ndarray, " keys"]
    value: Float[np.ndarray, "keys d_value"] | None = None
