"""Watch every attention head while a Transformer trains.

``AttentionMonitor`` is the Lightning callback, ``AttentionCallback`` the one of Hugging Face's
``Trainer``, ``AttentionRecorder`` the same for a loop of your own; ``capture`` reads attention out
of any PyTorch model, ``Wrapper`` draws a module's attention, ``open_run`` reads a recording back,
``audit_masks`` says whether a mask holds, and ``metric`` adds a number per head everywhere.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from attn_monitor.core.version import VERSION

if TYPE_CHECKING:
    from attn_monitor.analysis.metrics.registry import metric
    from attn_monitor.audit import audit_masks
    from attn_monitor.callback import AttentionMonitor
    from attn_monitor.capture import capture
    from attn_monitor.checkpoints import record_checkpoints
    from attn_monitor.integrations.transformers import AttentionCallback
    from attn_monitor.recorder import AttentionRecorder
    from attn_monitor.store import open_run
    from attn_monitor.wrapper import Wrapper

__version__ = VERSION
__all__ = [
    "AttentionCallback",
    "AttentionMonitor",
    "AttentionRecorder",
    "Wrapper",
    "audit_masks",
    "capture",
    "metric",
    "open_run",
    "record_checkpoints",
]

_HOMES = {
    "AttentionCallback": "attn_monitor.integrations.transformers",
    "AttentionMonitor": "attn_monitor.callback",
    "AttentionRecorder": "attn_monitor.recorder",
    "Wrapper": "attn_monitor.wrapper",
    "audit_masks": "attn_monitor.audit",
    "capture": "attn_monitor.capture",
    "metric": "attn_monitor.analysis.metrics.registry",
    "open_run": "attn_monitor.store",
    "record_checkpoints": "attn_monitor.checkpoints",
}
_TRAINING = ("torch", "lightning", "pytorch_lightning", "transformers")


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: reading a recording needs no torch."""
    if name in _HOMES:
        try:
            home = importlib.import_module(_HOMES[name])
        except ModuleNotFoundError as error:
            if error.name not in _TRAINING:
                raise
            raise ModuleNotFoundError(
                f"attn_monitor.{name} needs {error.name}, which a machine that only reads "
                "recordings does without: pip install 'attn-monitor[train]'",
                name=error.name,
            ) from error
        # capture is a package that can be called, see there
        return home if name == "capture" else getattr(home, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
