"""The recording on disk: written during training, read by the tab and by :func:`open_run`."""

from attn_monitor.store.proofs import Proofs, proofs_of
from attn_monitor.store.records import (
    HeadVectors,
    MapWindow,
    RunInfo,
    StepRecord,
    Thumbnail,
    Untouched,
    Vectors,
)
from attn_monitor.store.run import Run, open_run
from attn_monitor.store.schema import follows
from attn_monitor.store.token_json import dump_own_axes, dump_tokens
from attn_monitor.store.verify import Verified, verify_run
from attn_monitor.store.writer import RunWriter

__all__ = [
    "HeadVectors",
    "MapWindow",
    "Proofs",
    "Run",
    "RunInfo",
    "RunWriter",
    "StepRecord",
    "Thumbnail",
    "Untouched",
    "Vectors",
    "Verified",
    "dump_own_axes",
    "dump_tokens",
    "follows",
    "open_run",
    "proofs_of",
    "verify_run",
]
