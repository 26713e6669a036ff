"""Reading a recording: :func:`open_run` and what it returns."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from threading import Lock

import numpy as np
from jaxtyping import Float32, UInt8

from attn_monitor.core.class_answer import ClassAnswer, ClassLayer
from attn_monitor.core.importance import HeadImportance
from attn_monitor.core.kept import Kept
from attn_monitor.core.nouns import MetricSpec, Part, Probe, Split
from attn_monitor.core.remarks import Remarks
from attn_monitor.store.above import Above
from attn_monitor.store.bounded import read_thumbnail, read_window
from attn_monitor.store.class_answers import read_class_answer
from attn_monitor.store.codec import decode_attention
from attn_monitor.store.folder import folder_at
from attn_monitor.store.follow import RunFollower
from attn_monitor.store.maps import read_codes, read_rows_sum_to_one, read_vectors
from attn_monitor.store.reading import ReadOnlyFolder
from attn_monitor.store.records import HeadVectors, MapWindow, Option, Thumbnail, Untouched
from attn_monitor.store.series import (
    metrics_at,
    output_series,
    probe_series,
    probes_series,
    read_importance,
    split_series,
)
from attn_monitor.store.union import Absence


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open the recording of a run, finished or still being written.

    Args:
        path: The run's directory (the one with the event file): a path or an fsspec URL.

    Raises:
        RunNotFoundError: There is no recording.
        CorruptRecordingError: Its description cannot be read or belongs to a later version.
    """
    return Run(ReadOnlyFolder(folder_at(path)))


class Run(Above):
    """A recording. Safe to use from several threads.

    What it shows stays as it is until :meth:`refresh`.
    """

    def __init__(self, folder: ReadOnlyFolder) -> None:
        self._follower = RunFollower(folder)
        self._lock = Lock()
        self._view = self._follower.refresh()

    def refresh(self) -> bool:
        """Pick up what was recorded since; return whether anything changed."""
        with self._lock:
            before = self._view.version
            self._view = self._follower.refresh()
            return self._view.version != before

    def snapshot(self) -> Run:
        """Return the run as it is now, which no refresh of this object changes."""
        return copy.copy(self)

    @property
    def location(self) -> str:
        """The run's directory: a path or a URL."""
        return self._follower.location

    @property
    def session(self) -> str:
        """Identifier of the recording; another one if it was started over."""
        return self._view.ranks[0].session.id

    @property
    def version(self) -> str:
        """Changes whenever anything in the recording does."""
        return self._view.version

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the recording, one sentence each; empty if all is well."""
        return self._view.problems

    @property
    def remarks(self) -> Remarks:
        """What is said beside the steps: the mask audit, and what training batches showed."""
        return self._view.ranks[0].remarks

    @property
    def steps(self) -> tuple[int, ...]:
        """Recorded steps, ascending."""
        return self._view.steps

    @property
    def epochs(self) -> tuple[int, ...]:
        """The epoch of each recorded step."""
        return tuple(self._view.commit(step).epoch for step in self._view.steps)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts."""
        return tuple(part.name for part in self._view.info.parts)

    def part(self, name: str) -> Part:
        """Return a part: its layers, how their attention was obtained, causal or not."""
        return self._view.part(name)

    @property
    def probes(self) -> tuple[Probe, ...]:
        """The sentences replayed at every step, in order of their index."""
        return self._view.info.probes

    def probe(self, index: int) -> Probe:
        """Return a probe by its index."""
        return self._view.probe(index)

    def steps_of(self, probe: int) -> tuple[int, ...]:
        """Return the steps at which a probe was replayed: some only, where it was asked later."""
        self._view.probe(probe)
        owner = self._view.owners[probe][0]
        return tuple(step for step in self.steps if step in owner.commits)

    def kept(self, probe: int) -> Kept | None:
        """Return what is written of a probe beside its metrics.

        ``None`` for a recording that does not say: one made before windows and coarse maps.
        """
        self._view.probe(probe)
        return next((kept for kept in self._view.info.kept if kept.probe == probe), None)

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """What the numbers on the metric axis mean, in order."""
        return self._view.info.metrics

    @property
    def options(self) -> Mapping[str, Option]:
        """The callback's options."""
        return self._view.info.options

    def uniform(self, part: str) -> Float32[np.ndarray, "layer metric"]:
        """Return each metric for a head that spreads its attention evenly: the baseline."""
        return self._view.uniform(part)

    def scalars(self, step: int) -> Mapping[str, float]:
        """Return the numbers recorded for the whole step, such as ``val_loss``."""
        return self._view.commit(step).scalars

    def importance(self, step: int) -> HeadImportance | None:
        """Return what muting heads did at a step, ``None`` if nobody measured."""
        return read_importance(self._view, step)

    def untouched(self, step: int) -> Untouched | None:
        """Return that recording a step left the training as it was, ``None`` if nobody checked."""
        return self._view.commit(step).untouched

    def watched(self, step: int) -> str | None:
        """Return why every operator of a step's replay was watched; see :class:`StepRecord`."""
        return self._view.commit(step).watched

    def attempt(self, step: int) -> int:
        """Return which writing of the step this is; it changes when the step is recorded anew."""
        return self._view.commit(step).attempt

    def writing(self, step: int) -> str:
        """Return what identifies the arrays of a step for good, on whichever ranks they are.

        Raises:
            NotRecordedError: There is no such step.
        """
        return self._view.writing(step)

    def has_maps(self, step: int) -> bool:
        """Return whether maps of the step are there; metrics stay when maps are thinned.

        Whole maps, windows or coarse maps: :meth:`kept` says which of each probe.
        """
        return self._view.has_maps(step)

    def why_no_maps(self, step: int) -> Absence | None:
        """Return why a step has no maps: thinned, damaged, or never written; ``None`` if it has."""
        return self._view.why_no_maps(step)

    def has_vectors(self, step: int) -> bool:
        """Return whether queries and keys of the step are there."""
        return self._view.has_vectors(step)

    def attention(
        self, *, step: int, probe: int, part: str, layer: int
    ) -> Float32[np.ndarray, "head query key"]:
        """Return the attention of one layer on one probe; rows sum to 1 if the model's do.

        Stored in one byte per weight under a maximum per row: see :mod:`attn_monitor.store.codec`
        for the bound on the error.

        Args:
            step: A recorded step.
            probe: Index of a probe.
            part: Name of a part.
            layer: Layer in execution order, from 0.

        Raises:
            NotRecordedError: Not in this recording, or thinned.
            CorruptRecordingError: The step's file is damaged.
        """
        codes, row_max = self.codes(step=step, probe=probe, part=part, layers=(layer,))
        heads = self.part(part).layers[layer].heads
        whole = self.rows_sum_to_one(step=step, probe=probe, part=part)
        return decode_attention(codes[0, :heads], row_max[0, :heads], rows_sum_to_one=whole)

    def codes(
        self,
        *,
        step: int,
        probe: int,
        part: str,
        layers: Sequence[int] | None = None,
        rows: tuple[int, int] | None = None,
    ) -> tuple[UInt8[np.ndarray, "layer head query key"], Float32[np.ndarray, "layer head query"]]:
        """Return the stored bytes and their row maxima, undecoded, for sending on.

        Args:
            step: A recorded step.
            probe: Index of a probe.
            part: Name of a part.
            layers: Layers in the order wanted; all by default.
            rows: First and one past the last query row; all by default.

        Raises:
            NotRecordedError: Not in this recording, or thinned.
            CorruptRecordingError: The step's file is damaged.
        """
        return read_codes(self._view, step=step, probe=probe, part=part, layers=layers, rows=rows)

    def window(self, *, step: int, probe: int, part: str, layer: int) -> MapWindow:
        """Return exact weights [head, query, key] between some tokens, and which tokens.

        Kept of sentences whose maps are too large for the byte budget. Weights are shares of the
        whole row: what is missing to 1 went to keys outside of the window.

        Args:
            step: A recorded step.
            probe: Index of a probe.
            part: Name of a part.
            layer: Layer in execution order, from 0.

        Raises:
            NotRecordedError: Not in this recording, or thinned.
            CorruptRecordingError: The step's file is damaged.
        """
        return read_window(self._view, step=step, probe=probe, part=part, layer=layer)

    def thumbnail(self, *, step: int, probe: int, part: str, layer: int) -> Thumbnail:
        """Return coarse maps [head, row, column] of a whole sentence, and where stretches begin.

        Kept of sentences whose maps are too large for the byte budget. A cell stands between
        stretches of tokens, never between tokens: :meth:`attention` never returns one.

        Args:
            step: A recorded step.
            probe: Index of a probe.
            part: Name of a part.
            layer: Layer in execution order, from 0.

        Raises:
            NotRecordedError: Not in this recording, or thinned, or not of this layer.
            CorruptRecordingError: The step's file is damaged.
        """
        return read_thumbnail(self._view, step=step, probe=probe, part=part, layer=layer)

    def rows_sum_to_one(self, *, step: int, probe: int, part: str) -> bool:
        """Return whether rows summed to 1 in the model, so that decoding may rely on it.

        They do not with learned sinks outside of the sentence, or heads mixed after the softmax.

        Raises:
            NotRecordedError: Not in this recording, or thinned.
            CorruptRecordingError: The step's file is damaged.
        """
        return read_rows_sum_to_one(self._view, step=step, probe=probe, part=part)

    @property
    def classes(self) -> ClassLayer | None:
        """What the model decides between; ``None`` if it does not classify sentences."""
        return self._view.info.classes

    def class_answer(self, *, step: int, probe: int) -> ClassAnswer:
        """Return a sentence's class scores, and what every token of its source adds to them.

        How that was found out says :attr:`classes`.

        Raises:
            NotRecordedError: The model has no classes, or the step was recorded without or thinned.
            CorruptRecordingError: The step's file is damaged.
        """
        return read_class_answer(self._view, step=step, probe=probe)

    def vectors(self, *, step: int, part: str, layer: int, head: int) -> HeadVectors:
        """Return queries and keys of one head over all probes, with where each token stands.

        Raises:
            NotRecordedError: No vectors were recorded at this step.
            CorruptRecordingError: The step's file is damaged.
        """
        return read_vectors(self._view, step=step, part=part, layer=layer, head=head)

    def metric(
        self, name: str, *, part: str, split: Split = "val"
    ) -> Float32[np.ndarray, "step layer head"]:
        """Return one metric over all steps, mean over a split's probes; NaN where undefined.

        Raises:
            NotRecordedError: No such metric or part in this recording.
        """
        (at,) = metrics_at(self._view, (name,))
        return self.metric_values(part=part, split=split)[..., at]

    def probe_metrics(
        self,
        names: Sequence[str] | None = None,
        *,
        part: str,
        split: Split = "val",
        steps: Sequence[int] | None = None,
    ) -> Float32[np.ndarray, "step probe layer head metric"]:
        """Return metrics of every probe of a split over steps; NaN where undefined.

        Args:
            names: Metrics in the order wanted; all of them by default.
            part: Name of a part.
            split: Whose probes.
            steps: Recorded steps in the order wanted; all of them by default.

        Raises:
            NotRecordedError: No such metric, part or step in this recording.
        """
        view = self._view
        metrics = range(len(self.metrics)) if names is None else metrics_at(view, names)
        chosen = self._steps(steps)
        return probes_series(view, view.part(part), split, steps=chosen, metrics=metrics)

    def metric_values(
        self,
        *,
        part: str,
        probe: int | None = None,
        split: Split = "val",
        steps: Sequence[int] | None = None,
    ) -> Float32[np.ndarray, "step layer head metric"]:
        """Return all metrics over steps, of one probe or the mean over a split's probes.

        Args:
            part: Name of a part.
            probe: Index of a probe, at all steps; ``split`` and ``steps`` do not matter then.
            split: Whose probes to average.
            steps: Recorded steps in the order wanted; all of them by default.

        Raises:
            NotRecordedError: No such part, probe or step in this recording.
        """
        which = self._view.part(part)
        if probe is not None:
            return probe_series(self._view, which, probe)
        return split_series(self._view, which, split, steps=self._steps(steps))

    @property
    def output_specs(self) -> tuple[MetricSpec, ...]:
        """What is known of the model's output to each probe; empty in earlier recordings."""
        return self._view.info.outputs

    def outputs(
        self, name: str, *, split: Split = "val", steps: Sequence[int] | None = None
    ) -> Float32[np.ndarray, "step probe"]:
        """Return one number about the model's output per step and probe of a split.

        Args:
            name: One of :attr:`output_specs`, for example ``"output_entropy"``.
            split: Whose probes, in the order of their index.
            steps: Recorded steps in the order wanted; all of them by default.

        Raises:
            NotRecordedError: No such number or step in this recording.
        """
        return output_series(self._view, split, name, steps=self._steps(steps))

    def _steps(self, steps: Sequence[int] | None) -> tuple[int, ...]:
        return tuple(self._view.commit(s).step for s in (self.steps if steps is None else steps))
