"""What the numbers are: metrics, patterns, piles, HeadLens and topology. Numpy in, numpy out."""

from attn_monitor.analysis import metrics  # noqa: F401  # registers the default set
from attn_monitor.analysis.metrics.metric_set import Metric, MetricSet
from attn_monitor.analysis.metrics.registry import (
    compute_metrics,
    metric,
    metric_specs,
    registered_metrics,
    uniform_reference,
)

__all__ = [
    "Metric",
    "MetricSet",
    "compute_metrics",
    "metric",
    "metric_specs",
    "registered_metrics",
    "uniform_reference",
]
