"""The shape of attention: components, loops, cavities, cliques and groups of tokens."""

from attn_monitor.analysis.topology.head_metrics import TOPOLOGY_METRICS
from attn_monitor.analysis.topology.outcome import NotComputed
from attn_monitor.analysis.topology.summary import Topology, head_topology

__all__ = ["TOPOLOGY_METRICS", "NotComputed", "Topology", "head_topology"]
