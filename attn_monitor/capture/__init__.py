"""How attention is read out of any PyTorch model, exactly and without changing it."""

import sys
from types import ModuleType

from attn_monitor.capture.api import AttentionCapture, capture
from attn_monitor.capture.lessons import Lesson
from attn_monitor.capture.missing import describe_missing
from attn_monitor.capture.parts import Call, arrange
from attn_monitor.capture.reading import maps_of
from attn_monitor.capture.record import Record

__all__ = [
    "AttentionCapture",
    "Call",
    "Lesson",
    "Record",
    "arrange",
    "capture",
    "describe_missing",
    "maps_of",
]


class _CallableModule(ModuleType):
    """``from attn_monitor import capture`` finds this package; calling it is what people mean."""

    __call__ = staticmethod(capture)


sys.modules[__name__].__class__ = _CallableModule
