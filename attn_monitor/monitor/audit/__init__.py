"""Does the mask hold: which tokens reach which outputs, against what was meant."""

from attn_monitor.monitor.audit.forbidden_pairs import audit
from attn_monitor.monitor.audit.intent import MaskRule

__all__ = ["MaskRule", "audit"]
