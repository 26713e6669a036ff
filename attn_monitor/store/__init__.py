"""The recording on disk: written during training, read by the tab and by :func:`open_run`."""

from attn_monitor.store.records import HeadVectors, RunInfo, StepRecord, Vectors
from attn_monitor.store.run import Run, open_run
from attn_monitor.store.writer import RunWriter

__all__ = ["HeadVectors", "Run", "RunInfo", "RunWriter", "StepRecord", "Vectors", "open_run"]
