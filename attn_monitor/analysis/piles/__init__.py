"""Heads that do the same, put on one pile (SANVis, section 5.1)."""

from attn_monitor.analysis.piles.features import pile_distances
from attn_monitor.analysis.piles.match import Match, match_groups
from attn_monitor.analysis.piles.over_time import step_piles
from attn_monitor.analysis.piles.stack import stack_piles
from attn_monitor.analysis.piles.tree import PileTree, cut, pile_tree

__all__ = [
    "Match",
    "PileTree",
    "cut",
    "match_groups",
    "pile_distances",
    "pile_tree",
    "stack_piles",
    "step_piles",
]
