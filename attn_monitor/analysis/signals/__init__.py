"""Signs of overfitting in a recording, and how far to trust them (``docs/overfitting.md``)."""

from attn_monitor.analysis.signals.assess import assess
from attn_monitor.analysis.signals.newest import Newest, Watch
from attn_monitor.analysis.signals.types import (
    Assessment,
    Band,
    Curve,
    HeadCurves,
    Losses,
    Signal,
)

__all__ = [
    "Assessment",
    "Band",
    "Curve",
    "HeadCurves",
    "Losses",
    "Newest",
    "Signal",
    "Watch",
    "assess",
]
