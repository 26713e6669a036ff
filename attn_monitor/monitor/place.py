"""Where a recording goes, so that an earlier one in the same directory is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attn_monitor.core.errors import AttnMonitorError
from attn_monitor.store import Run, RunInfo, follows, open_run

MOST_RECORDINGS = 1000


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of the recordings that may be in a directory already.

    Attributes:
        phase: ``"fit"``, ``"validate"`` or ``"test"``.
        step: Optimizer steps so far; a recording goes on only if there are some.
        session: The recording that a resumed training belongs to, empty if that is not known.
    """

    phase: str
    step: int
    session: str = ""

    def directory(self, base: str, info: RunInfo) -> str:
        """Return the directory to record in: of the recording that goes on, else a free one.

        Args:
            base: The run's directory.
            info: What is about to be recorded.
        """
        if "://" in base:
            return base
        places = [base, *(self._beside(base, n) for n in range(2, MOST_RECORDINGS))]
        found: list[tuple[str, Run]] = []
        for place in places:
            run = _recording(place)
            if run is None:
                break
            found.append((place, run))
        going_on = [
            (place, run)
            for place, run in found
            if self.phase == "fit"
            and self.step > 0
            and follows(run._view.info, info)
            and run.steps[0] <= self.step
        ]
        own = [place for place, run in going_on if run.session == self.session]
        others = [place for place, _ in going_on]
        return (own or others[-1:] or [places[len(found)]])[0]

    def _beside(self, base: str, number: int) -> str:
        if self.phase == "fit":
            return str(Path(base) / f"fit_{number}")
        return f"{base}_{number}"


def _recording(directory: str) -> Run | None:
    try:
        run = open_run(directory)
    except (AttnMonitorError, OSError):
        return None
    return run if run.steps else None
