"""Options that are words: a wrong one is refused with the choices, also without type checks."""

import inspect

import numpy as np
import pytest

from attn_monitor.analysis.piles.features import pile_features
from attn_monitor.analysis.piles.tree import pile_tree
from attn_monitor.analysis.topology.graph import attention_graph
from attn_monitor.core.maps import Maps
from attn_monitor.figures.planes.edges import link_weights

SQUARE = np.eye(3)


@pytest.mark.parametrize(
    ("function", "argument", "option", "choices"),
    [
        (pile_features, Maps(attn=SQUARE[None]), "scale", "'normalised', 'raw'"),
        (pile_tree, 1 - SQUARE, "linkage", "'average', 'complete', 'single', 'ward'"),
        (attention_graph, SQUARE, "weight", "'max', 'sum', 'mean'"),
        (link_weights, SQUARE, "norm", "'uniform', 'raw', 'layer', 'row', 'rank', 'log'"),
    ],
)
def test_an_unknown_choice_is_refused_with_the_known_ones(function, argument, option, choices):
    as_users_run_it = inspect.unwrap(function)
    with pytest.raises(
        ValueError, match=rf"{option} 'odd' is unknown; choose one of \({choices}\)"
    ):
        as_users_run_it(argument, **{option: "odd"})
