"""What a session does beside its steps: tries the mask, reads training batches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from attn_monitor.core.mask_audit import MaskAudit
from attn_monitor.core.remarks import Reading
from attn_monitor.monitor.audit.recorded_batch import audit_probes
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.growth_watch import Growth
from attn_monitor.monitor.guard import Replay
from attn_monitor.monitor.layout import Layout
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.probes import SIDES
from attn_monitor.store.remark_lines import audit_fields, reading_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is done and said beside the steps of a recording.

    Attributes:
        model: The model.
        layout: The recording's layout, with its probes.
        replay: Runs one probe batch.
        options: What the user set.
        failures: Where problems are reported.
        undisturbed: Runs something, makes sure that the training is as it was, and returns whether
            it is.
        remark: Writes what is said.
    """

    model: nn.Module
    layout: Layout
    replay: Replay
    options: MonitorOptions
    failures: Failures
    undisturbed: Callable[[Callable[[], None]], bool]
    remark: Callable[[Mapping[str, object]], object]

    def audit(self) -> MaskAudit | None:
        """Try whether the mask holds, and write what was found; ``None`` where nobody asked."""
        found: list[MaskAudit] = []
        if not self.options.audit:
            return None

        def work() -> None:
            with (
                self.failures.contained("trying whether the mask holds"),
                warnings.catch_warnings(),
            ):
                # A step that logs its loss is warned of its gradient, which it has here alone.
                warnings.filterwarnings("ignore", message="Converting a tensor with requires_grad")
                found.append(audit_probes(self.model, self.layout, self.replay, self.options))

        if not self.undisturbed(work) or not found:
            return None
        self.remark(audit_fields(found[0]))
        return found[0]

    def growth(self, compiled: int) -> Growth | None:
        """Return what reads training batches; ``None`` where nobody asked for it.

        Args:
            compiled: What ``compiled_so_far`` returned before the first step.
        """
        if self.options.watch is None:
            return None
        batches = self.layout.batches
        train = next((b for b in batches if SIDES[b.split] == "train"), batches[0])

        def replay() -> None:
            self.replay(train.input)

        return Growth(
            self.model,
            self.layout.parts,
            every=self.options.watch,
            failures=self.failures,
            give=self._write,
            compiled=compiled,
            replay=lambda: self.undisturbed(replay),
        )

    def _write(self, reading: Reading) -> None:
        self.remark(reading_fields(reading))
