"""From a recording to everything the signals panel says about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float

from attn_monitor.core.nouns import MEASURED, Probe, Split
from attn_monitor.signals import trust
from attn_monitor.signals.balance import Property, compare_probe_sets
from attn_monitor.signals.context import (
    drift_signal,
    separation_signals,
    stability_signals,
)
from attn_monitor.signals.findings import Assessment, Signal, State
from attn_monitor.signals.gap import SMALLEST_SET
from attn_monitor.signals.losses import read_losses
from attn_monitor.signals.mask_and_growth_findings import growth_findings
from attn_monitor.signals.output_signals import (
    ENTROPY,
    STATISTICS,
    OutputStatistic,
    output_signal,
)
from attn_monitor.signals.recording import OWN_PROBES, Recording

# Whose outputs are compared: of further sentences the model's output is recorded as well.
VALIDATION: Final[tuple[Split, ...]] = ("val", "lens", "val_output")
TRAINING: Final[tuple[Split, ...]] = ("train", "train_output")


def validation(run: Recording) -> tuple[Split, ...]:
    """Return which sentences stand for validation: not those that the user made up."""
    own = run.options.get("probes") == OWN_PROBES
    return tuple(split for split in VALIDATION if not (own and split == "val"))


def assess(run: Recording, *, context: bool = True) -> Assessment:
    """Return what a recording shows about memorisation, and how far to trust it.

    Args:
        run: A recording, finished or still being written: ``open_run(...)`` or the like.
        context: Also separation, topology and drift, which never fire and read every probe's
            metrics; without them the answer takes some milliseconds.
    """
    steps, epochs = run.steps, run.epochs
    losses = read_losses(steps, epochs, [run.scalars(step) for step in steps])
    balance = balance_signal(run)
    outputs = output_signals(run, balance)
    around: list[Signal] = []
    for part in run.parts if steps else ():
        mean = run.metric_values(part=part, split="val")
        if context:
            best = None if losses.best_step is None else steps.index(losses.best_step)
            around += _context(run, part, mean, best)
        around += stability_signals(run, part, mean)
    signals = (*outputs, *(() if balance is None else (balance,)), *around)
    state, headline = _verdict(run, signals)
    return Assessment(
        steps=np.asarray(steps, dtype=np.int64),
        epochs=np.asarray(epochs, dtype=np.int64),
        losses=losses,
        signals=signals,
        state=state,
        headline=headline,
        mask=run.remarks.audit,
        growth=growth_findings(run.remarks),
    )


def balance_signal(run: Recording) -> Signal | None:
    """Return the comparison of the probe sets, ``None`` where there is only one set."""
    val, train = _compared(run, validation(run)), _compared(run, TRAINING)
    if min(len(val), len(train)) < SMALLEST_SET or not run.steps:
        return None
    properties = compare_probe_sets(val, train)
    wrong = [one for one in properties if not one.matches]
    worst = min(properties, key=lambda one: one.p)
    return Signal(
        name="probe_balance",
        title="Do the two sets match?",
        unit="",
        kind="warning",
        panel="probes",
        curves=(),
        fired=run.steps[0] if wrong else None,
        value=worst.val - worst.train,
        p=worst.p,
        n_val=len(val),
        n_train=len(train),
        sentence=_mismatch(wrong) if wrong else _match(properties),
        trust=trust.BALANCE,
    )


def _match(properties: Sequence[Property]) -> str:
    figures = "; ".join(f"{one.title} {one.val:.3g} and {one.train:.3g}" for one in properties)
    return f"Validation and training sentences match: {figures}."


def _mismatch(wrong: Sequence[Property]) -> str:
    figures = "; ".join(
        f"{one.title} {one.val:.3g} and {one.train:.3g} (p = {one.p:.2g})" for one in wrong
    )
    return (
        f"Validation and training sentences differ in {figures}. Differences between them may come "
        "from that alone: draw both sets from the same kind of text, with one vocabulary."
    )


def output_signals(run: Recording, balance: Signal | None) -> tuple[Signal, ...]:
    """Return the signals made of the model's outputs, the flag first.

    Args:
        run: The recording.
        balance: The comparison of its probe sets; without one there is nothing to compare.
    """
    if balance is None:
        return ()
    every = ((statistic, *compared_outputs(run, statistic)) for statistic in STATISTICS)
    return tuple(
        output_signal(
            statistic,
            steps=run.steps,
            epochs=run.epochs,
            val=val,
            train=train,
            suppressed=balance.sentence if balance.fired is not None else "",
        )
        for statistic, val, train in every
        if val.size and train.size
    )


def compared_outputs(
    run: Recording, statistic: OutputStatistic
) -> tuple[Float[np.ndarray, "step val_probe"], Float[np.ndarray, "step train_probe"]]:
    """Return a statistic of both sets, of every probe that has a value at any step.

    Steps of an older recording, before a resume, may lack outputs.
    """
    if statistic.column not in {spec.name for spec in run.output_specs}:
        none = np.empty((len(run.steps), 0), dtype=np.float32)
        return none, none
    return _outputs(run, statistic, validation(run)), _outputs(run, statistic, TRAINING)


def _outputs(
    run: Recording, statistic: OutputStatistic, splits: Sequence[Split]
) -> Float[np.ndarray, "step probe"]:
    every = [run.outputs(statistic.column, split=split) for split in splits]
    values = np.concatenate(every, axis=1)
    # Others never have one, such as sentences without a valid token.
    return np.asarray(values[:, np.isfinite(values).any(axis=0)])


def _context(
    run: Recording,
    part: str,
    mean: Float[np.ndarray, "step layer head metric"],
    best: int | None,
) -> list[Signal]:
    found: list[Signal] = []
    comparable = set(MEASURED) <= {*validation(run), *TRAINING}
    if comparable and min(len(_compared(run, [split])) for split in MEASURED) >= SMALLEST_SET:
        found += separation_signals(run, part)
    if best is not None:
        found.append(drift_signal(run, part, mean, best))
    return found


def _verdict(run: Recording, signals: Sequence[Signal]) -> tuple[State, str]:
    named = {signal.name: signal for signal in signals}
    if min(len(_compared(run, splits)) for splits in (validation(run), TRAINING)) < SMALLEST_SET:
        return "no_train_probes", (
            f"Fewer than {SMALLEST_SET} probes from training or from validation: nothing to "
            "compare, no flag. Leave AttentionMonitor(train_probes=16, signal_sentences=64) as "
            "they are."
        )
    flag = named.get(ENTROPY.name)
    balance = named.get("probe_balance")
    if balance is not None and balance.fired is not None:
        return "unreliable", balance.sentence
    if flag is None:
        return "not_recorded", (
            "No class scores were found in the model's output, so there is no output entropy and "
            "no flag."
        )
    return ("quiet", flag.sentence) if flag.fired is None else ("fired", flag.sentence)


def _compared(run: Recording, splits: Sequence[Split]) -> list[Probe]:
    return [probe for split in splits for probe in run.probes if probe.split == split]
