"""Signs of overfitting in a recording, and how far to trust them (``docs/overfitting.md``)."""

from attn_monitor.signals.assess import assess
from attn_monitor.signals.findings import (
    Assessment,
    Band,
    Curve,
    GrowthFinding,
    HeadCurves,
    Losses,
    Signal,
)
from attn_monitor.signals.mask_and_growth_findings import remark_signals
from attn_monitor.signals.newest import Newest, Watch

__all__ = [
    "Assessment",
    "Band",
    "Curve",
    "GrowthFinding",
    "HeadCurves",
    "Losses",
    "Newest",
    "Signal",
    "Watch",
    "assess",
    "remark_signals",
]
