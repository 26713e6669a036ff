"""What the newest step of a growing recording says, without looking at all the others again.

The p-value of a step follows from its own numbers and from those of the step that changes are
measured from, and an alarm about stability from a step and the one before. So a few steps decide
whether a signal fires now; only if one does is the whole recording assessed, once per signal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attn_monitor.signals.assess import (
    assess,
    balance_signal,
    compared_outputs,
    output_signals,
)
from attn_monitor.signals.context import stability_signals
from attn_monitor.signals.findings import Signal
from attn_monitor.signals.output_signals import STATISTICS, TIMES, changes_since, rule_met
from attn_monitor.signals.recording import Recording
from attn_monitor.signals.some_steps import SomeSteps


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """What a recording's newest step says.

    Attributes:
        outputs: The signals made of the model's outputs. Their value and p are those of the newest
            step; their curves are short.
        fired: Signals that fire at this step, complete, as :func:`assess` gives them.
    """

    outputs: tuple[Signal, ...]
    fired: tuple[Signal, ...]


class Watch:
    """Follow a recording that grows: call it after every step that was recorded.

    What it returns of a step is what ``assess(run, context=False)`` says then, at a cost that does
    not depend on how many steps came before.
    """

    def __init__(self) -> None:
        self._looked_at = 0
        self._references: tuple[int, ...] = ()
        self._fired: set[str] = set()

    def __call__(self, run: Recording) -> Newest:
        """Look at the newest step of the recording, which has at least one."""
        steps = run.steps
        recent = steps[max(0, min(self._looked_at, len(steps) - TIMES)) :]
        excerpt = SomeSteps(run, tuple(sorted({*self._references, *recent})))
        self._looked_at, self._references = len(steps), _references(excerpt)
        balance = balance_signal(excerpt)
        outputs = output_signals(excerpt, balance)
        names = {balance.name} if balance is not None and balance.fired == steps[-1] else set()
        names |= {signal.name for signal in outputs if _met_now(signal)} | _alarms(run)
        return Newest(outputs=outputs, fired=self._new(run) if names - self._fired else ())

    def _new(self, run: Recording) -> tuple[Signal, ...]:
        every = assess(run, context=False).signals
        self._fired |= {signal.name for signal in every if signal.fired is not None}
        return tuple(signal for signal in every if signal.fired == run.steps[-1])


def _met_now(signal: Signal) -> bool:
    """Return whether the rule holds at the newest step, met there or before."""
    p = signal.p_values
    return p is not None and not signal.suppressed and rule_met(p[-TIMES:]) is not None


def _alarms(run: Recording) -> set[str]:
    """Return which alarms about stability begin at the newest step."""
    last = SomeSteps(run, run.steps[-2:])
    return {
        signal.name
        for part in run.parts
        for signal in stability_signals(last, part, last.metric_values(part=part))
        if signal.fired == run.steps[-1]
    }


def _references(run: Recording) -> tuple[int, ...]:
    """Return the steps that every later one is compared with.

    Those from which changes are measured, and those that show which probes ever have a value.
    """
    found: set[int] = set()
    for val, train in (compared_outputs(run, one) for one in STATISTICS):
        first = [
            at for side in (val, train) if side.size for at in np.isfinite(side).argmax(axis=0)
        ]
        if val.size and train.size:
            first.append(changes_since(val, train))
        found |= {run.steps[at] for at in first}
    return tuple(sorted(found))
