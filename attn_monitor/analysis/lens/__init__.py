"""HeadLens: clusters of a head's queries and keys, described by words, tags and places."""

from attn_monitor.analysis.lens.elbow import elbow_curve
from attn_monitor.analysis.lens.headlens import HeadLens, head_lens
from attn_monitor.analysis.lens.sample import TokenSample, sample_tokens
from attn_monitor.analysis.lens.taggers import Tagger

__all__ = [
    "HeadLens",
    "Tagger",
    "TokenSample",
    "elbow_curve",
    "head_lens",
    "sample_tokens",
]
