"""What the numbers are: metrics, patterns, piles, HeadLens and topology. Numpy in, numpy out."""

from importlib import import_module

from attn_monitor.analysis.metric_set import MetricSet
from attn_monitor.analysis.registry import (
    compute_metrics,
    metric,
    metric_specs,
    registered_metrics,
    uniform_reference,
)

__all__ = [
    "MetricSet",
    "compute_metrics",
    "metric",
    "metric_specs",
    "registered_metrics",
    "uniform_reference",
]

# Loading a file registers its metrics; this order is the order of columns on screen.
for _name in (
    "entropy",
    "position",
    "induction",
    "tokens",
    "sharpness",
    "diversity",
    "stability",
):
    import_module(f"attn_monitor.analysis.{_name}")
