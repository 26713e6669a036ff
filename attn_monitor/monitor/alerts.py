"""After each recorded step: what it says about memorisation, as numbers and to the user."""

from __future__ import annotations

import math
from collections.abc import Callable

from attn_monitor.monitor.failures import Failures
from attn_monitor.signals import Signal, Watch
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

    def __call__(self) -> dict[str, float]:
        """Look at the recording up to and including the step that was just written.

        Returns:
            Value and p-value of each signal that is made of the model's outputs, where defined.
        """
        if not self._numbers and self._on_signal is None:
            return {}
        if self._run is None:
            self._run = open_run(self._run_dir)
        else:
            self._run.refresh()
        newest = self._watch(self._run)
        if self._on_signal is not None:
            for signal in newest.fired:
                with self._failures.contained(f"calling on_signal for {signal.name}"):
                    self._on_signal(signal)
        if not self._numbers:
            return {}
        pairs = (pair for s in newest.outputs for pair in ((s.name, s.value), (f"{s.name}_p", s.p)))
        return {f"signals/{name}": value for name, value in pairs if not math.isnan(value)}
