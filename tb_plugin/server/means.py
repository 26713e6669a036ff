"""Means over sentences of one shape, asked for like sentences. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32

from attn_monitor.core.arrays import mean_of_defined
from attn_monitor.core.errors import NotRecordedError
from attn_monitor.core.nouns import MEASURED, PartAxes, Probe, Split, Tokens
from attn_monitor.store import Run

FIRST: Final = 1 << 20  # no recording has as many sentences: from here on, indices are means


@dataclass(frozen=True, slots=True)
class Mean:
    """Several sentences whose maps have one shape.

    Attributes:
        probe: What stands for them: an index of its own, and along the axes what all have in
            common, positions elsewhere.
        of: Indices of the sentences.
    """

    probe: Probe
    of: tuple[int, ...]


def means_of(run: Run, among: Collection[int] | None = None) -> tuple[Mean, ...]:
    """Return the means that can be asked for: of a split's sentences, two at least.

    Maps of which the byte budget left a part belong to none: a mean would hide what is missing.

    Args:
        run: A recording.
        among: Indices of the sentences to take; all by default.
    """
    parts = [run.part(name) for name in run.parts]
    groups: dict[object, list[Probe]] = {}
    for probe in run.probes:
        kept = run.kept(probe.index)
        whole = kept is None or kept.form == "whole"
        if probe.split in MEASURED and whole and (among is None or probe.index in among):
            axes = (probe.axes(part) for part in parts)
            shape = tuple((len(query), len(key)) for query, key in axes)
            own = tuple(axes.part for axes in probe.own_axes)
            groups.setdefault((probe.split, probe.target is None, own, shape), []).append(probe)
    return tuple(_mean(probes) for probes in groups.values() if len(probes) > 1)


def mean_at(run: Run, index: int) -> Mean | None:
    """Return the mean of that index; ``None`` if it is a sentence's.

    Raises:
        NotRecordedError: There is no such mean.
    """
    if index < FIRST:
        return None
    found = next((mean for mean in means_of(run) if mean.probe.index == index), None)
    if found is None:
        raise NotRecordedError(f"no mean {index} in this run; see the means of /run")
    return found


def probe_at(run: Run, index: int) -> Probe:
    """Return a sentence, or what stands for several.

    Raises:
        NotRecordedError: There is neither.
    """
    mean = mean_at(run, index)
    return run.probe(index) if mean is None else mean.probe


def steps_at(run: Run, index: int) -> tuple[int, ...]:
    """Return the steps at which a sentence, or every one of several, was replayed.

    Raises:
        NotRecordedError: There is neither.
    """
    mean = mean_at(run, index)
    if mean is None:
        return run.steps_of(index)
    common = set.intersection(*(set(run.steps_of(at)) for at in mean.of))
    return tuple(step for step in run.steps if step in common)


def attention_at(
    run: Run, *, step: int, part: str, probe: int, layer: int
) -> Float32[np.ndarray, "head query key"]:
    """Return the maps of a layer on a sentence, or their mean: NaN where any sentence has NaN.

    Raises:
        NotRecordedError: They are not in the recording.
        CorruptRecordingError: The step's file is damaged.
    """
    mean = mean_at(run, probe)
    if mean is None:
        return run.attention(step=step, probe=probe, part=part, layer=layer)
    total = run.attention(step=step, probe=mean.of[0], part=part, layer=layer).astype(np.float64)
    for index in mean.of[1:]:
        total += run.attention(step=step, probe=index, part=part, layer=layer)
    return np.asarray(total / len(mean.of), dtype=np.float32)


def metric_values_at(
    run: Run, *, part: str, probe: int | None, split: Split
) -> Float32[np.ndarray, "step layer head metric"]:
    """Return all metrics over all steps of a sentence, of a mean, or the mean over a split.

    Raises:
        NotRecordedError: No such part, sentence or mean.
    """
    mean = None if probe is None else mean_at(run, probe)
    if mean is None:
        return run.metric_values(part=part, probe=probe, split=split)
    values = [run.metric_values(part=part, probe=index, split=split) for index in mean.of]
    return np.asarray(mean_of_defined(np.stack(values), axes=(0,)), dtype=np.float32)


def _mean(probes: Sequence[Probe]) -> Mean:
    first = probes[0]
    targets = [probe.target for probe in probes if probe.target is not None]
    own = tuple(
        PartAxes(
            part=axes[0].part,
            query=_common([one.query for one in axes]),
            key=_common([one.key for one in axes]),
        )
        for axes in zip(*(probe.own_axes for probe in probes), strict=True)
    )
    shown = Probe(
        index=FIRST + first.index,
        split=first.split,
        source=_common([probe.source for probe in probes]),
        target=_common(targets) if targets else None,
        own_axes=own,
    )
    return Mean(shown, tuple(probe.index for probe in probes))


def _common(several: Sequence[Tokens]) -> Tokens:
    """Return what stands at each place in all sentences, and its position where they differ."""
    first = several[0]
    columns = zip(*(tokens.text for tokens in several), strict=True)
    alike = all(tokens.documents == first.documents for tokens in several)
    return Tokens(
        text=tuple(
            words[0] if len(set(words)) == 1 else f"#{at}" for at, words in enumerate(columns)
        ),
        special=tuple(
            at for at in first.special if all(at in tokens.special for tokens in several)
        ),
        documents=first.documents if alike else (),
    )
