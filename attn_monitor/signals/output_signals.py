"""The signals made of the model's outputs: the flag, and what supports it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from attn_monitor.signals import trust
from attn_monitor.signals.findings import Band, Curve, Kind, Signal
from attn_monitor.signals.gap import SMALLEST_SET, Gap, first_met, measure_gap

ALPHA: Final = 0.001  # chosen on the development half: docs/overfitting.md
TIMES: Final = 2  # recorded steps in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputStatistic:
    """One number per sentence that is compared between validation and training probes.

    Attributes:
        column: Its name in the recording.
        name: Name of the signal.
        title: Name of the signal on screen.
        unit: Unit of the number.
        kind: Whether it may raise the flag.
        sign: 1 if memorising makes it smaller on training sentences, -1 if larger.
        trust: How far to trust it.
    """

    column: str
    name: str
    title: str
    unit: str
    kind: Kind
    sign: int
    trust: str


ENTROPY: Final = OutputStatistic(
    column="output_entropy",
    name="output_entropy_gap",
    title="Output entropy, validation against training sentences",
    unit="share of ln(classes)",
    kind="flag",
    sign=1,
    trust=trust.FLAG,
)
NORM: Final = OutputStatistic(
    column="hidden_norm",
    name="hidden_norm_gap",
    title="Hidden norm, validation against training sentences",
    unit="norm / sqrt(d)",
    kind="support",
    sign=-1,
    trust=trust.SUPPORT,
)
STATISTICS: Final = (ENTROPY, NORM)


def output_signal(
    statistic: OutputStatistic,
    *,
    steps: Sequence[int],
    epochs: Sequence[int],
    val: Float[np.ndarray, "step val_probe"],
    train: Float[np.ndarray, "step train_probe"],
    suppressed: str = "",
) -> Signal:
    """Return the signal of one output statistic.

    The curves are the means of both sets; what is tested is the change of each sentence since the
    first recorded step, which takes out what made the sentences differ before training. Both are
    of the sentences that were there at that step: of those that joined later nobody knows what
    the model did with them before training.

    Args:
        statistic: Which number this is.
        steps: Recorded steps.
        epochs: The epoch of each.
        val: The number per step and validation probe.
        train: The same of the training probes.
        suppressed: Why the comparison cannot be trusted in this run, empty if it can.
    """
    since = changes_since(val, train)
    val, train = _there_at(since, val), _there_at(since, train)
    shown = measure_gap(val, train)
    tested = measure_gap(
        statistic.sign * (val - val[since]), statistic.sign * (train - train[since])
    )
    at = rule_met(tested.p)
    return Signal(
        name=statistic.name,
        title=statistic.title,
        unit=statistic.unit,
        kind=statistic.kind,
        panel="outputs",
        curves=_curves(shown, statistic.sign * tested.gap),
        band=Band(
            curve="change",
            low=np.minimum(statistic.sign * tested.null_low, statistic.sign * tested.null_high),
            high=np.maximum(statistic.sign * tested.null_low, statistic.sign * tested.null_high),
        ),
        p_values=tested.p,
        fired=None if at is None or suppressed else steps[at],
        suppressed=suppressed if at is not None else "",
        value=float(shown.gap[-1]),
        p=float(tested.p[-1]),
        n_val=val.shape[1],
        n_train=train.shape[1],
        sentence=_sentence(statistic, shown, tested.p, epochs=epochs, at=at, suppressed=suppressed),
        trust=statistic.trust,
    )


def rule_met(p: Float[np.ndarray, " step"]) -> int | None:
    """Return the index of the step at which the rule of the flag is first met."""
    return first_met(p <= ALPHA, times=TIMES)


def changes_since(
    val: Float[np.ndarray, "step val_probe"], train: Float[np.ndarray, "step train_probe"]
) -> int:
    """Return the index of the step whose values are subtracted from those of every other.

    That is the first one with enough sentences of both sets to compare, be it that more join
    later; a resumed recording may begin with steps that have no values.
    """
    there = [np.isfinite(values) for values in (val, train)]
    enough = np.all([found.sum(axis=1) >= SMALLEST_SET for found in there], axis=0)
    if not enough.any():
        enough = np.all([found.all(axis=1) for found in there], axis=0)
    return int(np.argmax(enough))


def _there_at(
    step: int, values: Float[np.ndarray, "step probe"]
) -> Float[np.ndarray, "step some_probe"]:
    there = np.isfinite(values[step])
    return np.asarray(values[:, there]) if there.any() else values


def _curves(shown: Gap, change: Float[np.ndarray, " step"]) -> tuple[Curve, ...]:
    return (
        Curve(
            name="val",
            title="validation sentences",
            values=shown.val,
            low=shown.val_low,
            high=shown.val_high,
        ),
        Curve(
            name="train",
            title="training sentences",
            values=shown.train,
            low=shown.train_low,
            high=shown.train_high,
        ),
        Curve(
            name="gap",
            title="validation \N{MINUS SIGN} training",
            values=shown.gap,
            low=shown.gap_low,
            high=shown.gap_high,
        ),
        Curve(name="change", title="gap since the first recorded step", values=change),
    )


def _sentence(
    statistic: OutputStatistic,
    shown: Gap,
    p: Float[np.ndarray, " step"],
    *,
    epochs: Sequence[int],
    at: int | None,
    suppressed: str,
) -> str:
    if not np.isfinite(p).any():
        return f"{statistic.title}: undefined at every recorded step."
    if at is None:
        last = int(np.flatnonzero(np.isfinite(p))[-1])
        return (
            f"At epoch {epochs[last]} the difference is {shown.gap[last]:+.3g} "
            f"({statistic.unit}; p = {p[last]:.2g}). The rule, p \N{LESS-THAN OR EQUAL TO} {ALPHA} "
            f"at {TIMES} recorded steps in a row, has not been met."
        )
    figures = f"p = {p[at]:.2g} at epoch {epochs[at]}, the {_ordinal(TIMES)} step in a row"
    if suppressed:
        return f"The rule was met ({figures}), but the probe sets do not match: no flag."
    if statistic.kind == "flag":
        return (
            f"The model is more certain about training than about validation sentences by "
            f"{shown.gap[at]:.3g} of {statistic.unit.removeprefix('share of ')} ({figures}): "
            "memorisation is likely."
        )
    direction = "smaller" if statistic.sign > 0 else "larger"
    amount = abs(shown.gap[at])
    return f"It is {direction} on training sentences by {amount:.3g} ({figures})."


def _ordinal(count: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(count, f"{math.trunc(count)}th")
