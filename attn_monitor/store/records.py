"""What goes into a recording and what comes out of it, as plain frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from attn_monitor.core.types import MetricSpec, Part, Probe

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
    """

    parts: tuple[Part, ...]
    probes: tuple[Probe, ...]
    metrics: tuple[MetricSpec, ...]
    uniform: Mapping[str, Float[np.ndarray, "_layer _metric"]]
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """The queries and keys of one probe as they enter the product; stored as float16.

    Attributes:
        query: One vector per query token.
        key: One vector per key token.
    """

    query: Float[np.ndarray, "layer head query d_head"]
    key: Float[np.ndarray, "layer head key d_head"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """Everything recorded at one step.

    Attributes:
        step: Optimizer steps taken so far.
        epoch: Epoch the step belongs to.
        attention: Part, then probe index, then maps cropped to the probe's valid tokens, heads
            padded with zeros to the part's largest head count. Probes the byte budget left out
            are simply absent.
        metrics: Per part, the metrics computed from the original floats; the probe axis follows
            :attr:`RunInfo.probes`. NaN means undefined.
        scalars: Numbers of the whole step, such as ``val_loss``.
        vectors: Part, then probe index, then queries and keys; empty unless asked for.
    """

    step: int
    epoch: int
    attention: Mapping[str, Mapping[int, Float[np.ndarray, "_layer _head _query _key"]]]
    metrics: Mapping[str, Float[np.ndarray, "_probe _layer _head _metric"]]
    scalars: Mapping[str, float] = field(default_factory=dict)
    vectors: Mapping[str, Mapping[int, Vectors]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadVectors:
    """Queries and keys of one head over all probes that have them, one row per token.

    Attributes:
        query: Query vectors.
        key: Key vectors.
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
