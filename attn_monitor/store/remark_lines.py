"""Lines of ``commits.jsonl`` that are no steps: the mask audit, readings of training batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

import numpy as np

from attn_monitor.core.errors import CorruptRecordingError
from attn_monitor.core.mask_audit import DURING, RULES, MaskAudit, MaskCheck
from attn_monitor.core.remarks import NUMBERS, Reading, Remarks
from attn_monitor.store.fields import as_choice, as_float, as_int, as_list, as_object, as_str

KINDS: Final = ("audit", "reading")
MOST_READINGS: Final = 4096  # beyond it every second one is given up, the newest last
_MOST_CHECKS: Final = 256
_MOST_HEADS: Final = 65_536
_LONGEST: Final = 1000


def audit_fields(audit: MaskAudit) -> dict[str, object]:
    """Return what the line of an audit says."""
    return {
        "op": "audit",
        "checks": [asdict(check) for check in audit.checks],
        "unknown": audit.unknown,
    }


def reading_fields(reading: Reading) -> dict[str, object]:
    """Return what the line of a reading says; five digits are kept."""
    return {
        "op": "reading",
        "step": reading.step,
        "heads": {
            part: [[[_short(x) for x in row] for row in number] for number in values.tolist()]
            for part, values in reading.heads.items()
        },
    }


def _short(value: float) -> float:
    return float(f"{value:.5g}")


@dataclass(slots=True)
class RemarkLines:
    """What the lines read so far add up to."""

    audit: MaskAudit | None = None
    held_bytes: int = 0
    _readings: dict[int, Reading] = field(default_factory=dict)

    def take(self, op: str, line: Mapping[str, object]) -> None:
        """Take up a line of one of :data:`KINDS`.

        Raises:
            CorruptRecordingError: It makes no sense.
        """
        if op == "audit":
            self.audit = _audit(line)
            return
        reading = _reading(line)
        self._readings.pop(reading.step, None)
        self._readings[reading.step] = reading
        if len(self._readings) > MOST_READINGS:
            kept = list(self._readings.values())[::-2][::-1]
            self._readings = {reading.step: reading for reading in kept}
        self.held_bytes = sum(
            200 + sum(values.nbytes for values in r.heads.values()) for r in self._last()
        ) * len(self._readings)

    def _last(self) -> list[Reading]:
        return list(self._readings.values())[-1:]

    def back(self, to: int) -> None:
        """Forget what was said after a step, all of it before the first."""
        if to < 0:
            self.audit = None
        self._readings = {step: r for step, r in self._readings.items() if step <= to}

    def remarks(self) -> Remarks:
        """Return it as it is now."""
        readings = sorted(self._readings.values(), key=lambda reading: reading.step)
        return Remarks(audit=self.audit, readings=tuple(readings))


def _audit(line: Mapping[str, object]) -> MaskAudit:
    checks = as_list(line.get("checks"), "checks", longest=_MOST_CHECKS)
    return MaskAudit(
        checks=tuple(_check(as_object(check, "check")) for check in checks),
        unknown=as_str(line.get("unknown"), "unknown")[:_LONGEST],
    )


def _check(value: Mapping[str, object]) -> MaskCheck:
    texts = {name: as_str(value.get(name), name)[:_LONGEST] for name in _TEXTS}
    pairs = as_int(value.get("pairs"), "pairs")
    return MaskCheck(
        rule=as_choice(value.get("rule"), RULES, "rule"),
        pairs=pairs,
        leaks=as_int(value.get("leaks"), "leaks", high=pairs),
        query=as_int(value.get("query"), "query", low=-1),
        key=as_int(value.get("key"), "key", low=-1),
        size=as_float(value.get("size"), "size"),
        during=as_choice(value.get("during", ""), DURING, "during"),
        **texts,
    )


_TEXTS: Final = ("reader", "read", "said_by", "first")


def _reading(line: Mapping[str, object]) -> Reading:
    heads = as_object(line.get("heads"), "heads")
    return Reading(
        step=as_int(line.get("step"), "step", high=2**53),
        heads={part: _numbers(values, f"heads of {part}") for part, values in heads.items()},
    )


def _numbers(value: object, where: str) -> np.ndarray:
    numbers = [
        [[as_float(x, where) for x in as_list(row, where)] for row in as_list(layers, where)]
        for layers in as_list(value, where)
    ]
    widths = {len(row) for layers in numbers for row in layers}
    depths = {len(layers) for layers in numbers}
    if len(numbers) != len(NUMBERS) or len(widths) != 1 or len(depths) != 1:
        raise CorruptRecordingError(f"{where} should be a number per head, {len(NUMBERS)} times")
    if widths.pop() * depths.pop() > _MOST_HEADS:
        raise CorruptRecordingError(f"{where}: more heads than any model has")
    return np.array(numbers, dtype=np.float32)
