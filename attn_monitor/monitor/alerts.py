"""After each recorded step: what it says about memorisation, to TensorBoard and to the user."""

from __future__ import annotations

import math
from collections.abc import Callable

from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.summaries import SummaryWriter
from attn_monitor.signals import Signal, Watch
from attn_monitor.store import Run, open_run

OnSignal = Callable[[Signal], object]


class Alerts:
    """Assess a recording as it grows.

    The recording itself is read, so that a resumed training goes on where it was.

    Args:
        run_dir: Where the recording is.
        writer: Gets each signal's value and p-value as scalars; ``None`` for none.
        on_signal: Called once for every signal, at the step at which it fires.
        failures: Where an error of ``on_signal`` is reported.
    """

    def __init__(
        self,
        run_dir: str,
        *,
        writer: SummaryWriter | None,
        on_signal: OnSignal | None,
        failures: Failures,
    ) -> None:
        self._run_dir = run_dir
        self._writer = writer
        self._on_signal = on_signal
        self._failures = failures
        self._run: Run | None = None
        self._watch = Watch()

    def __call__(self, step: int) -> None:
        """Look at the recording up to and including a step that was just written."""
        if self._writer is None and self._on_signal is None:
            return
        if self._run is None:
            self._run = open_run(self._run_dir)
        else:
            self._run.refresh()
        newest = self._watch(self._run)
        if self._writer is not None:
            for signal in newest.outputs:
                self._report(self._writer, signal, step)
        if self._on_signal is not None:
            for signal in newest.fired:
                with self._failures.contained(f"calling on_signal for {signal.name}"):
                    self._on_signal(signal)

    def _report(self, writer: SummaryWriter, signal: Signal, step: int) -> None:
        for tag, value in ((signal.name, signal.value), (f"{signal.name}_p", signal.p)):
            if not math.isnan(value):
                writer.add_scalar(f"attention/signals/{tag}", value, step)
