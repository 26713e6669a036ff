"""Hands recorded steps to the disk in the background, and counts what became of each."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
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


class Handover:
    """Write steps, look for signals and report, one step after another, in one thread.

    The training thread waits half a second for room at most; a step that has none is dropped and
    counted.

    Attributes:
        recorded: Steps that are on disk.
        dropped: How many steps are not, by the reason.
    """

    def __init__(
        self,
        open_store: Callable[[], RunWriter],
        *,
        report: Report,
        alerts: Alerts,
        failures: Failures,
    ) -> None:
        """Begin the recording.

        Args:
            open_store: Opens the recording; where it fails it is tried again with the next step.
            report: Shows each step in TensorBoard's own tabs.
            alerts: Looks at each step for signals.
            failures: Where problems are reported.
        """
        self.recorded = 0
        self.dropped: Counter[str] = Counter()
        self._given = 0
        self._open_store = open_store
        self._report = report
        self._alerts = alerts
        self._failures = failures
        self._store: RunWriter | None = None
        self._counting = Lock()
        self._worker = Worker(failures)
        self._worker.submit("starting the recording", lambda: self._notice(self._opened()))

    @property
    def session(self) -> str:
        """Identifier of the recording; empty until it is open."""
        return "" if self._store is None else self._store.session

    def give(self, observation: Observation, record: StepRecord) -> None:
        """Have a step written, unless the disk is too slow; takes ``PATIENCE`` seconds at most."""
        self._given += 1
        taken = self._worker.submit(
            f"writing step {record.step}",
            lambda: self._write(observation, record),
            weight=observation.nbytes,
        )
        if taken:
            return
        reason = _ENDED if self._worker.ended else _SLOW
        self._drop(reason)
        if reason is _SLOW:
            self._failures.report(
                f"{_SLOW}; step {record.step} is dropped, as others may be",
                doing="handing over a recorded step",
                once=True,
            )

    def remark(self, fields: Mapping[str, object]) -> None:
        """Have something said in the recording beside its steps, unless the disk is too slow."""
        self._worker.submit(f"writing the {fields['op']}", lambda: self._remark(fields))

    def _remark(self, fields: Mapping[str, object]) -> None:
        self._opened().remark(fields)
        with self._failures.contained("looking for signals"):
            self._alerts.remarked()

    def close(self) -> None:
        """Wait for everything to be written, if the disk answers, and say what was not."""
        self._worker.submit("drawing the last step", self._report.close)
        in_time = self._worker.close()
        if self._store is not None:
            with self._failures.contained("closing the recording"):
                self._store.close()
        with self._counting:
            if left := self._given - self.recorded - self.dropped.total():
                self.dropped[_ENDED if in_time else _LEFT] += left
        self._sum_up()

    def _write(self, observation: Observation, record: StepRecord) -> None:
        step = record.step
        with self._failures.contained(f"computing the metrics of step {step}"):
            observation.finish()
        try:
            store = self._opened()
            store.write(record)
        except Exception as error:
            self._drop(_reason(error))
            raise
        with self._counting:
            self.recorded += 1
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

    def _opened(self) -> RunWriter:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _notice(self, store: RunWriter) -> None:
        """Pass on what the store has to say of steps that are gone."""
        if store.notice is not None:
            self._failures.report(store.notice, doing="continuing the recording")
            store.notice = None

    def _drop(self, reason: str) -> None:
        with self._counting:
            self.dropped[reason] += 1

    def _sum_up(self) -> None:
        dropped = self.dropped.total()
        if not dropped:
            logger.info("recorded %d steps, dropped none", self.recorded)
            return
        reasons = "; ".join(f"{count} because {why}" for why, count in self.dropped.most_common())
        self._failures.report(
            f"{self.recorded} of {self.recorded + dropped} steps were recorded, {dropped} were "
            f"dropped: {reasons}",
            doing="recording",
        )


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"of {type(error).__name__} ({said[:200]})"
