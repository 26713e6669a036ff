"""Asking back: one more sentence, recorded beside those of a training: :func:`ask`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from jaxtyping import Float
from torch import nn

from attn_monitor.analysis import MetricSet, registered_metrics
from attn_monitor.analysis.topology import TOPOLOGY_METRICS
from attn_monitor.checkpoints import Progress, in_order, load, weights_kept
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.nouns import HeadId, Part, Probe
from attn_monitor.monitor.batches import DescribeBatch
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.guard import Guard, Replay, quiet_forward, random_state_kept, repeatable
from attn_monitor.monitor.layout import layout_as_chosen
from attn_monitor.monitor.moving import on_device_of
from attn_monitor.monitor.muted import slow_path
from attn_monitor.monitor.options import MonitorOptions, ReplayBatch
from attn_monitor.monitor.own import Tokenizer
from attn_monitor.monitor.probes import own_probes
from attn_monitor.monitor.recorder import Recorder
from attn_monitor.monitor.tokens import TokenSource
from attn_monitor.recorder import read_batch
from attn_monitor.store import Run, RunWriter, StepRecord
from attn_monitor.store.commits import LARGEST_STEP
from attn_monitor.store.folder import folder_at
from attn_monitor.store.names import FIRST_ASKED, LAST_ASKED, PLUGIN_FOLDER, asked_folder
from attn_monitor.store.union import ASKED_OF

_Value = TypeVar("_Value")
_HEAD: Final = re.compile(r"(?:(.+):)?L(\d+) ?H(\d+)", re.IGNORECASE)


def ask(
    run: Run,
    model: nn.Module,
    texts: str | Sequence[object],
    *,
    checkpoints: str | Iterable[str | os.PathLike[str]] | None = None,
    step: int | None = None,
    mute: Sequence[str | HeadId] = (),
    tokens: TokenSource = None,
    tokenizer: Tokenizer | None = None,
    describe_batch: DescribeBatch | None = None,
    replay: ReplayBatch | None = None,
    progress: Progress | None = None,
) -> tuple[int, ...]:
    """Record further sentences beside a run's own; see :meth:`attn_monitor.store.Run.ask`."""
    chosen = MonitorOptions(
        probes=[texts] if isinstance(texts, str) else list(texts),
        train_probes=0,
        lens_sentences=0,
        signal_sentences=0,
        topology=bool(run.options.get("topology", False)),
        tokens=tokens,
        tokenizer=tokenizer,
        describe_batch=describe_batch,
        replay=replay,
    )
    tell: Progress = progress or (lambda _what, _done, _total: None)
    if checkpoints is not None and step is not None:
        raise ConfigurationError("checkpoints say of which steps they are: leave out step")
    silent = [_head(name, run) for name in mute]
    found = [] if checkpoints is None else in_order(checkpoints)
    steps = [one.step for one in found] or [run.steps[-1] if step is None else step]
    for wanted in steps:
        if wanted not in run.steps:
            near = min(run.steps, key=lambda known: abs(known - wanted))
            raise ConfigurationError(
                f"step {wanted} was not recorded, so there is nothing to show a sentence beside; "
                f"the nearest that was: {near}"
            )
    with (
        weights_kept(model) if found else nullcontext(),
        slow_path() if silent else nullcontext(),
        random_state_kept(model),
    ):
        if found:
            load(model, found[0])
        asking = _Asking.of(run, model, chosen)
        variants: list[tuple[HeadId, ...]] = [(), tuple(silent)] if silent else [()]
        places = [asking.place(variant) for variant in variants]
        with ExitStack() as stack:
            several = [
                stack.enter_context(asking.writers(variant, indices))
                for variant, indices in zip(variants, places, strict=True)
            ]
            for at, wanted in enumerate(steps):
                tell("checkpoints", at, len(steps))
                if found:
                    load(model, found[at])
                for variant, indices, writers in zip(variants, places, several, strict=True):
                    seen = asking.record(wanted, variant, indices)
                    for writer, record in zip(writers, seen, strict=True):
                        writer.write(record)
        tell("checkpoints", len(steps), len(steps))
    return tuple(index for indices in places for index in indices)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """Replays sentences with the weights that the model has now."""

    run: Run
    recorder: Recorder
    replay: Replay
    guard: Guard
    failures: Failures

    @classmethod
    def of(cls, run: Run, model: nn.Module, options: MonitorOptions) -> _Asking:
        """Find the sentences' place in the model; it must be the model of the recording."""
        failures, guard = Failures(), Guard(model)
        read = options.replay or read_batch
        replay = repeatable(lambda batch: read(model, on_device_of(model, batch)), model)
        guard.begin()
        with quiet_forward(guard):
            layout = layout_as_chosen(model, own_probes(options), replay, options, failures)
            recorder = Recorder(
                model=model,
                layout=layout,
                metrics=_measured(run),
                budget_bytes=int(options.budget_mb * 1e6),
                failures=failures,
            )
            if run.classes is not None:
                recorder.find_classes(replay)
        here, there = ([*map(_likeness, parts)] for parts in (layout.parts, run._view.info.parts))
        if here != there:
            raise ConfigurationError(
                f"the model has other parts, layers or heads than {run.location}: {here} here, "
                f"{there} there. The model that was recorded can be asked, and texts that it reads "
                "as it did then: replay= says how"
            )
        return cls(run=run, recorder=recorder, replay=replay, guard=guard, failures=failures)

    def place(self, silent: tuple[HeadId, ...]) -> list[int]:
        """Return the index of every sentence: its old one where it was asked before."""
        known = [view.session.info.probes[0] for view in self.run._view.asked]
        found: list[int] = []
        for probe in self.recorder.layout.probes:
            same = [k.index for k in known if _as_asked(probe, k.index, silent) == k]
            found.append(same[0] if same else _claimed(self.run, found))
        return found

    @contextmanager
    def writers(
        self, silent: tuple[HeadId, ...], indices: Sequence[int]
    ) -> Iterator[list[RunWriter]]:
        """Open the recording of each sentence; what was asked before goes on."""
        info = self.run._view.info
        with ExitStack() as stack:
            found = []
            for at, index in enumerate(indices):
                kept = replace(self.recorder.plan.kept[at], probe=index)
                own = replace(
                    info,
                    probes=(_as_asked(self.recorder.layout.probes[at], index, silent),),
                    kept=(kept,),
                    options={ASKED_OF: self.run.session},
                )
                place = self.run.location
                writer = RunWriter(place, own, asked=index, resume_step=LARGEST_STEP)
                found.append(stack.enter_context(writer))
            yield found

    def record(
        self, step: int, silent: tuple[HeadId, ...], indices: Sequence[int]
    ) -> Iterator[StepRecord]:
        """Replay, and return what each sentence shows."""
        with random_state_kept(self.guard.model), quiet_forward(self.guard):
            seen = self.recorder.observe(self.replay, without=silent)
        seen.finish()
        wanted = [spec.name for spec in self.run.metrics]
        outputs = len(self.run.output_specs) == seen.outputs.shape[1]
        for at, index in enumerate(indices):
            yield StepRecord(
                step=step,
                epoch=self.run.epochs[self.run.steps.index(step)],
                attention=_only(seen.attention, at, index),
                windows=_only(seen.windows, at, index),
                thumbnails=_only(seen.thumbnails, at, index),
                classes={index: seen.classes[at]} if at in seen.classes else {},
                metrics={
                    part: _columns(table[at : at + 1], self.recorder.metrics, wanted)
                    for part, table in seen.metrics.items()
                },
                outputs=seen.outputs[at : at + 1] if outputs else None,
            )


def _head(name: str | HeadId, run: Run) -> HeadId:
    """Return the head that ``"L3H4"``, or ``"decoder:L3H4"``, names, counted from 1.

    Raises:
        ConfigurationError: The recording has no such head, or several.
    """
    if isinstance(name, HeadId):
        head = name
    else:
        read = _HEAD.fullmatch(name.strip())
        if read is None or (read[1] is None and len(run.parts) > 1):
            wanted = " or ".join(f'"{part}:L1H1"' for part in run.parts)
            raise ConfigurationError(f"mute={name!r} does not name a head; wanted {wanted}")
        head = HeadId(read[1] or run.parts[0], int(read[2]) - 1, int(read[3]) - 1)
    layers = run.part(head.part).layers
    if not (0 <= head.layer < len(layers) and 0 <= head.head < layers[head.layer].heads):
        sizes = ", ".join(str(layer.heads) for layer in layers)
        raise ConfigurationError(
            f"{head.part} has no {head.label()}; its {len(layers)} layers have {sizes} heads, "
            "counted from 1"
        )
    return head


def _measured(run: Run) -> MetricSet:
    """Return those of the run's metrics that can be computed here."""
    known = registered_metrics() + TOPOLOGY_METRICS
    wanted = {spec.name for spec in run.metrics}
    return MetricSet(tuple(metric for metric in known.metrics if metric.spec.name in wanted))


def _likeness(part: Part) -> str:
    heads = ", ".join(str(layer.heads) for layer in part.layers)
    return f"{part.name} ({part.kind}) of {heads} heads"


def _as_asked(probe: Probe, index: int, silent: tuple[HeadId, ...]) -> Probe:
    return replace(probe, index=index, split="asked", muted=silent)


def _claimed(run: Run, others: Sequence[int]) -> int:
    """Return a free index; on a local disk nobody else can get it any more.

    Raises:
        ConfigurationError: There is none left, or the run's directory cannot be written.
    """
    remote = "://" in run.location
    taken = set(folder_at(run.location).folders(PLUGIN_FOLDER)) if remote else set()
    for index in range(FIRST_ASKED, LAST_ASKED + 1):
        folder = asked_folder(index)
        if index in others or folder.rpartition("/")[2] in taken:
            continue
        if remote:
            return index
        try:
            (Path(run.location) / folder).mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise ConfigurationError(f"{run.location} cannot be written: {error}") from error
        return index
    raise ConfigurationError(f"{LAST_ASKED + 1 - FIRST_ASKED} sentences were asked; that is enough")


def _only(
    found: Mapping[str, Mapping[int, _Value]], at: int, index: int
) -> dict[str, dict[int, _Value]]:
    return {part: {index: maps[at]} for part, maps in found.items() if at in maps}


def _columns(
    table: Float[np.ndarray, "probe layer head known"], known: MetricSet, wanted: Sequence[str]
) -> Float[np.ndarray, "probe layer head wanted"]:
    """Return metrics in the run's order, NaN where nobody here knows one."""
    names = [spec.name for spec in known.specs]
    filled = np.full((*table.shape[:-1], len(wanted)), np.nan, dtype=np.float32)
    for at, name in enumerate(wanted):
        if name in names:
            filled[..., at] = table[..., names.index(name)]
    return filled
