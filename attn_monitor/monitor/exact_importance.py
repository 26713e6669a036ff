"""How much each head matters, exactly: the probes are run again with the head muted.

One forward pass per head and a few more for heads muted together, all inside of one guarded
replay. The number is the rise of the loss that the model's step returns or logs; of a model without
one it is how far its output moves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from attn_monitor.analysis.metrics.metric_set import Metric, MetricSet
from attn_monitor.analysis.metrics.shared import undefined
from attn_monitor.core.importance import IMPORTANCE, LOSS, REPEAT, joint_counts, ranked, without
from attn_monitor.core.nouns import MEASURED, HeadId, MetricSpec
from attn_monitor.monitor.certainty import rows_of_sentences
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.guard import Replay, random_state_kept
from attn_monitor.monitor.layout import Layout
from attn_monitor.monitor.muted import muted, slow_path

Kind = Literal["loss", "output"]
_LOSSES: Final = ("val_loss", "valid_loss", "eval_loss", "test_loss", "loss")
_UNITS: Final[Mapping[Kind, str]] = {"loss": "loss", "output": "share of the output"}
_READINGS: Final[Mapping[Kind, str]] = {
    "loss": "By how much the loss rises without the head; 0: it can go; below 0: it does harm.",
    "output": "How far the output moves without the head, in units of its own size; 0: it can go.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """What muting heads does to the probes at one step.

    Attributes:
        effects: Per part, the effect of each head; NaN where it could not be muted.
        scalars: The effect of muting several of the least important heads at once, the loss that
            rises, and how far the same pass differs from itself.
    """

    effects: Mapping[str, Float[np.ndarray, "layer head"]]
    scalars: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the model answered to all batches: its loss, or one tensor per sentence."""

    loss: float
    muted: bool
    outputs: list[Tensor]


@dataclass(kw_only=True)
class ImportanceMeter:
    """Measures what muting heads does to the probes.

    Attributes:
        model: The model.
        layout: Where its attention calls belong.
        replay: Runs a batch, or the module calls that stand for the step.
        heard: What the step logged in the last replay.
        failures: Where problems are reported.
        kind: Whether there is a loss.
    """

    model: nn.Module
    layout: Layout
    replay: Replay
    heard: Mapping[str, float]
    failures: Failures
    kind: Kind = field(init=False, default="output")
    _batches: list[int] = field(init=False)
    _split: str = field(init=False)

    def __post_init__(self) -> None:
        splits = [batch.split for batch in self.layout.batches]
        split = "val" if "val" in splits else next(s for s in splits if s in MEASURED)
        self._split = split
        self._batches = [at for at, each in enumerate(splits) if each == split]
        with slow_path(), random_state_kept(self.model):
            try:
                if self._loss(self.replay(self.layout.batches[self._batches[0]].batch)) is not None:
                    self.kind = "loss"
            except Exception:  # noqa: BLE001  # a step may not be able to read the probes
                self.kind = "output"

    @property
    def metrics(self) -> MetricSet:
        """The column that effects are kept in."""
        spec = MetricSpec(
            name=IMPORTANCE,
            title="Importance",
            unit=_UNITS[self.kind],
            low=None if self.kind == "loss" else 0.0,
            high=None,
            reading=_READINGS[self.kind],
            direction="descending",
            source="Michel et al. 2019, section 3: each head is muted, the probes are run again",
        )
        return MetricSet((Metric(spec=spec, function=undefined),))

    def measure(self) -> Importance:
        """Run the probes once per head; what a replay changes is not put back here."""
        with slow_path():
            before = self._answer(())
            effects = {
                part.name: np.full((len(part.layers), part.heads), np.nan, dtype=np.float32)
                for part in self.layout.parts
            }
            for head in self._heads():
                effects[head.part][head.layer, head.head] = self._effect((head,), before)
            order = [head for head, _ in ranked(effects)]
            scalars = {REPEAT: abs(self._effect((), before))}
            if self.kind == "loss":
                scalars[LOSS] = before.loss
            for count in joint_counts(len(order)):
                scalars[without(count)] = self._effect(order[:count], before)
        if not order:
            self.failures.report(
                "no head could be muted: attention is computed in pieces, or by kernels that "
                "return something else than weights times values, or there is neither a loss nor "
                "an output to compare; importance is unknown",
                doing="measuring the importance of heads",
                once=True,
            )
        return Importance(effects=effects, scalars=scalars)

    def fill(self, measured: Importance, tables: Mapping[str, Float[np.ndarray, "*_any"]]) -> None:
        """Put the effects into the last column of what is recorded of each measured sentence."""
        for name, table in tables.items():
            for probe in self.layout.probes:
                if probe.split == self._split:
                    table[probe.index, :, :, -1] = measured.effects[name]

    def _heads(self) -> Iterator[HeadId]:
        for part in self.layout.parts:
            for number, layer in enumerate(part.layers):
                for head in range(layer.heads):
                    yield HeadId(part.name, number, head)

    def _effect(self, heads: Sequence[HeadId], before: _Answer) -> float:
        """Return what muting heads does; NaN where they cannot be muted everywhere."""
        after = self._answer(heads)
        if heads and not after.muted:
            return math.nan
        if self.kind == "loss":
            return after.loss - before.loss
        moved = [
            float((new.double() - old.double()).norm() / old.double().norm())
            for new, old in zip(after.outputs, before.outputs, strict=True)
        ]
        return float(np.mean(moved)) if moved else math.nan

    def _answer(self, heads: Sequence[HeadId]) -> _Answer:
        """Run all batches with some heads muted."""
        losses, weights, outputs, silent = [], [], [], True
        for at in self._batches:
            batch = self.layout.batches[at]
            with (
                random_state_kept(self.model),
                muted(self.model, self.layout, at, heads) as (attention, silence),
            ):
                result = self.replay(batch.batch if self.kind == "loss" else batch.input)
            silent = silent and silence.complete
            loss = self._loss(result)
            losses.append(math.nan if loss is None else loss)
            weights.append(len(batch.rows))
            answer = attention.outputs.answer
            if self.kind == "output" and answer is not None:
                rows = rows_of_sentences(answer, batch.tokens)
                outputs += [rows[row].clone() for row in batch.rows] if rows else []
        return _Answer(float(np.average(losses, weights=weights)), silent, outputs)

    def _loss(self, result: object) -> float | None:
        """Return the loss that a step returned or logged."""
        found = result.get("loss") if isinstance(result, Mapping) else result
        if not isinstance(found, Tensor):
            found = getattr(result, "loss", None)
        if isinstance(found, Tensor) and found.numel() == 1 and found.is_floating_point():
            return float(found.detach())
        named = [name for name in _LOSSES if name in self.heard]
        named += sorted(name for name in self.heard if "loss" in name.lower())
        return self.heard[named[0]] if named else None
