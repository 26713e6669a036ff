import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixels import pixels, texts
from sample_maps import random_attention

from attn_monitor.analysis.topology.components import betti_curves
from attn_monitor.analysis.topology.graph import attention_graph
from attn_monitor.figures import betti_figure, colour
from attn_monitor.figures.plane_edges import link_weights, strongest_links
from attn_monitor.figures.planes import plane_graph

WORDS = ["[CLS]", "a", "$b$", "c", "[SEP]"]
NORMS = ["uniform", "absolute", "minmax", "row", "rank", "log"]
SEEDS = st.integers(0, 500)


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


@pytest.mark.parametrize("norm", NORMS)
@given(seed=SEEDS)
def test_link_strengths_are_symmetric_and_lie_between_0_and_1(norm, seed):
    strength = link_weights(random_attention(seed, 5, 5), norm=norm)
    np.testing.assert_allclose(strength, strength.T)
    assert np.all((strength >= 0) & (strength <= 1))
    assert not strength.diagonal().any()


def test_an_even_spread_is_a_quarter_in_units_of_uniform():
    strength = link_weights(np.full((8, 8), 1 / 8), norm="uniform")
    np.testing.assert_allclose(strength[~np.eye(8, dtype=bool)], 0.25)


@given(SEEDS)
def test_every_remedy_tells_links_apart_better_than_the_published_opacity(seed):
    attn = random_attention(seed, 16, 16, sharpness=1.0)
    off = ~np.eye(16, dtype=bool)
    baseline = link_weights(attn, norm="absolute")[off]
    for norm in ("uniform", "minmax", "rank"):
        assert link_weights(attn, norm=norm)[off].std() > baseline.std()


def test_the_published_opacity_is_both_directions_added():
    attn = np.array([[0.1, 0.8, 0.1], [0.3, 0.4, 0.3], [0.5, 0.4, 0.1]])
    np.testing.assert_allclose(
        link_weights(attn, norm="absolute"), [[0, 1, 0.6], [1, 0, 0.7], [0.6, 0.7, 0]]
    )


def test_links_of_a_silent_plane_have_no_strength():
    assert not link_weights(np.zeros((3, 3))).any()
    assert len(strongest_links(np.eye(4)).pairs) == 0


def test_the_strongest_links_are_chosen_and_special_tokens_left_out():
    attn = np.zeros((4, 4))
    attn[0, 1], attn[2, 1], attn[3, 2], attn[1, 3] = 0.9, 0.5, 0.3, 0.1
    edges = strongest_links(attn, per_token=0.5, without=[0])
    assert edges.pairs.tolist() == [[2, 3], [1, 2]]
    assert edges.total == 6
    assert edges.share == pytest.approx(0.8 / 1.8)


def test_the_planes_name_every_layer_token_and_class():
    figure = plane_graph(
        random_attention(0, 2, 5, 5),
        tokens=WORDS,
        title="planes",
        special=(0, 4),
        classes={"good": 0.75, "bad": 0.25},
    )
    written = texts(figure)
    assert {"Layer 1", "Layer 2", *WORDS, "good 0.75", "bad 0.25", "planes"} <= set(written)
    assert any(text.startswith("6 of 20 links, ") for text in written)
    assert pixels(figure).min() < 100


def test_a_sentence_of_one_token_can_be_drawn():
    figure = plane_graph(np.ones((1, 1, 1)), tokens=["a"], title="one")
    assert "0 of 0 links, 0 % of their weight; strength: uniform" in texts(figure)
    pixels(figure)
