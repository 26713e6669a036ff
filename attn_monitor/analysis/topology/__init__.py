"""The shape of attention: components, loops, cavities, cliques and groups of tokens."""

from attn_monitor.analysis.topology.head_metrics import register_topology
from attn_monitor.analysis.topology.outcome import NotComputed
from attn_monitor.analysis.topology.summary import Topology, head_topology

__all__ = ["NotComputed", "Topology", "head_topology", "register_topology"]
