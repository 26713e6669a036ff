"""After each recorded step: what it says about memorisation, as numbers and to the user."""

from __future__ import annotations

import math
from collections.abc import Callable

from attn_monitor.monitor.failures import Failures
from attn_monitor.signals import Signal, Watch, remark_signals
from attn_monitor.store import Run, open_run

OnSignal = Callable[[Signal], object]


class Alerts:
    """Assess a recording as it grows.

    The recording itself is read, so that a resumed training goes on where it was.

    Args:
        run_dir: Where the recording is.
        numbers: Whether each signal's value and p-value are wanted.
        on_signal: Called once for every signal, at the step at which it fires.
        failures: Where an error of ``on_signal`` is reported.
    """

    def __init__(
        self,
        run_dir: str,
        *,
        numbers: bool,
        on_signal: OnSignal | None,
        failures: Failures,
    ) -> None:
        self._run_dir = run_dir
        self._numbers = numbers
        self._on_signal = on_signal
        self._failures = failures
        self._run: Run | None = None
        self._watch = Watch()
        self._said: set[str] = set()

    def __call__(self) -> dict[str, float]:
        """Look at the recording up to and including the step that was just written.

        Returns:
            Value and p-value of each signal that is made of the model's outputs, where defined.
        """
        if not self._numbers and self._on_signal is None:
            return {}
        newest = self._watch(self._read())
        for signal in newest.fired:
            self._tell(signal)
        if not self._numbers:
            return {}
        pairs = (pair for s in newest.outputs for pair in ((s.name, s.value), (f"{s.name}_p", s.p)))
        return {f"signals/{name}": value for name, value in pairs if not math.isnan(value)}

    def remarked(self) -> None:
        """Look at what was just said beside the steps: each signal of it is told once."""
        if self._on_signal is None:
            return
        for signal in remark_signals(self._read().remarks):
            if signal.fired is not None and signal.name not in self._said:
                self._said.add(signal.name)
                self._tell(signal)

    def _read(self) -> Run:
        if self._run is None:
            self._run = open_run(self._run_dir)
        else:
            self._run.refresh()
        return self._run

    def _tell(self, signal: Signal) -> None:
        if self._on_signal is not None:
            with self._failures.contained(f"calling on_signal for {signal.name}"):
                self._on_signal(signal)
