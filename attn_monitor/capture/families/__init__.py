"""One file per attention family; importing this package registers them all.

A new family is a new file here with a function under ``@observes("its_operator")``, and a line
below.
"""

from attn_monitor.capture.families import (
    eager,
    elementwise,
    encoder_fast_path,
    flash_attention,
    flex,
    lineage,
    sdpa,
)
from attn_monitor.capture.families.base import observer_of, observes

__all__ = [
    "eager",
    "elementwise",
    "encoder_fast_path",
    "flash_attention",
    "flex",
    "lineage",
    "observer_of",
    "observes",
    "sdpa",
]
