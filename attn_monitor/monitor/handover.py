"""Hands recorded steps to the disk in the background, and counts what became of each."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from attn_monitor.monitor.alerts import Alerts
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.observation import Observation
from attn_monitor.monitor.report import Report
from attn_monitor.monitor.worker import PATIENCE, Worker
from attn_monitor.store import RunWriter, StepRecord

logger = logging.getLogger(__name__)

_SLOW = f"the disk was too slow to take another step within {PATIENCE:g} s"
_ENDED = "the recording had ended"
_LEFT = "the disk did not finish"


@dataclass(slots=True)
class _Tally:
    """What became of the steps that were handed over."""

    given: int = 0
    recorded: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def drop(self, reason: str, count: int = 1) -> None:
        with self.lock:
            self.dropped[reason] += count


class Handover:
    """Write steps, look for signals and report, one step after another, in one thread.

    The training thread waits half a second for room at most; a step that has none is dropped and
    counted.
    """

    def __init__(
        self,
        open_store: Callable[[], RunWriter],
        *,
        report: Report,
        alerts: Alerts,
        failures: Failures,
        after: Handover | None = None,
    ) -> None:
        """Begin the recording.

        Args:
            open_store: Opens the recording; where it fails it is tried again with the next step.
            report: Shows each step in TensorBoard's own tabs.
            alerts: Looks at each step for signals.
            failures: Where problems are reported.
            after: What this one takes over from: its steps are written first, in the same thread,
                and counted with these. Training waits for none of them.
        """
        self._after = after
        self._tally: _Tally = _Tally() if after is None else after._tally
        self._open_store = open_store
        self._report = report
        self._alerts = alerts
        self._failures = failures
        self._store: RunWriter | None = None
        self._worker: Worker = Worker(failures) if after is None else after._worker
        if after is not None:
            self._worker.submit("drawing the last step", after._draw_last, within=0)
        self._worker.submit(
            "starting the recording", lambda: self._notice(self._opened()), within=0
        )

    @property
    def recorded(self) -> int:
        """How many steps are on disk."""
        return self._tally.recorded

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many steps are not, by the reason."""
        return self._tally.dropped

    @property
    def session(self) -> str:
        """Identifier of the recording; empty until it is open."""
        if self._store is not None:
            return self._store.session
        return "" if self._after is None else self._after.session

    def give(self, observation: Observation, record: StepRecord) -> None:
        """Have a step written, unless the disk is too slow; takes ``PATIENCE`` seconds at most."""
        self._tally.given += 1
        taken = self._worker.submit(
            f"writing step {record.step}",
            lambda: self._write(observation, record),
            weight=observation.nbytes,
        )
        if taken:
            return
        reason = _ENDED if self._worker.ended else _SLOW
        self._tally.drop(reason)
        if reason is _SLOW:
            self._failures.report(
                f"{_SLOW}; step {record.step} is dropped, as others may be",
                doing="handing over a recorded step",
                once=True,
            )

    def remark(self, fields: Mapping[str, object]) -> None:
        """Have something said in the recording beside its steps; training never waits for it."""
        what = f"writing the {fields['op']}"
        taken = self._worker.submit(what, lambda: self._remark(fields), within=0)
        if not taken and not self._worker.ended:
            self._failures.report(
                f"{_SLOW}, so that this is left out, as others may be", doing=what, once=True
            )

    def _remark(self, fields: Mapping[str, object]) -> None:
        self._opened().remark(fields)
        with self._failures.contained("looking for signals"):
            self._alerts.remarked()

    def close(self) -> None:
        """Wait for everything to be written, if the disk answers, and say what was not."""
        self._worker.submit("drawing the last step", self._draw_last)
        in_time = self._worker.close()
        if self._store is not None:
            with self._failures.contained("closing the recording"):
                self._store.close()
        if left := self._tally.given - self.recorded - self._tally.dropped.total():
            self._tally.drop(_ENDED if in_time else _LEFT, left)
        self._sum_up()

    def _write(self, observation: Observation, record: StepRecord) -> None:
        step = record.step
        with self._failures.contained(f"computing the metrics of step {step}"):
            observation.finish()
        try:
            store = self._opened()
            store.write(record)
        except Exception as error:
            self._tally.drop(_reason(error))
            raise
        with self._tally.lock:
            self._tally.recorded += 1
        self._notice(store)
        signals: dict[str, float] = {}
        try:
            with self._failures.contained(f"looking for signals at step {step}"):
                signals = self._alerts()
        finally:
            # The marker follows the data: a step that TensorBoard lists can be read.
            self._report(
                observation,
                step=step,
                epoch=record.epoch,
                session=store.session,
                signals=signals,
            )

    def _draw_last(self) -> None:
        # On a full disk a picture would end the event file, which is the training's as well.
        if self._store is None or self._store.has_room():
            self._report.close()

    def _opened(self) -> RunWriter:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _notice(self, store: RunWriter) -> None:
        """Pass on what the store has to say of steps that are gone."""
        if store.notice is not None:
            self._failures.report(store.notice, doing="continuing the recording")
            store.notice = None

    def _sum_up(self) -> None:
        dropped = self._tally.dropped.total()
        if not dropped:
            logger.info("recorded %d steps, dropped none", self.recorded)
            return
        kinds = self._tally.dropped.most_common()
        reasons = "; ".join(f"{count} because {why}" for why, count in kinds)
        self._failures.report(
            f"{self.recorded} of {self.recorded + dropped} steps were recorded, {dropped} were "
            f"dropped: {reasons}",
            doing="recording",
        )


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"of {type(error).__name__} ({said[:200]})"
