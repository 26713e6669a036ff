"""Numbers per head: one decorated function each, in a registry that says what they mean."""

# Importing a file registers its metrics; this order is the order of columns on screen.
# isort: off
from attn_monitor.analysis.metrics import (  # noqa: F401
    entropy,
    position,
    induction,
    sinks,
    sharpness,
    diversity,
    logits,
    writes,
)
