import numpy as np
import pytest
from pixels import pixels
from sample_maps import random_attention

from attn_monitor.analysis.topology.components import betti_curves
from attn_monitor.analysis.topology.graph import attention_graph
from attn_monitor.figures import betti_figure, colour


def test_betti_curves_are_drawn_as_computed_in_the_hue_of_each_head():
    curves = [betti_curves(graph) for graph in attention_graph(random_attention(0, 2, 6, 6))]
    figure = betti_figure(curves, title="shape", tokens=6)
    pieces = figure.axes[1]
    lines = [line for line in pieces.lines if line.get_linestyle() == "-"]
    assert [line.get_color() for line in lines] == [colour.head_colour(0), colour.head_colour(1)]
    np.testing.assert_array_equal(lines[1].get_ydata(), curves[1].components)
    np.testing.assert_array_equal(lines[1].get_xdata(), curves[1].weights)
    assert pixels(figure).min() < 100


def test_betti_curves_of_nothing_are_refused():
    with pytest.raises(ValueError, match="the curves of at least one head; got none"):
        betti_figure([], title="shape", tokens=3)
