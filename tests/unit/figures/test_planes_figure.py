"""The 3-D figure: what it names, and what a click on it says (C4, C6, C8, C10)."""

import numpy as np
import pytest
from matplotlib.backend_bases import MouseButton, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from mpl_toolkits.mplot3d import proj3d
from pixels import pixels, texts
from sample_maps import random_attention

from attn_monitor.figures.planes import (
    ClassNode,
    PlaneMaps,
    Pruning,
    SceneStyle,
    make_scene,
    plane_graph,
)
from attn_monitor.figures.planes.marks import place_marks

WORDS = ("[CLS]", "we", "$flew$", "home", "[SEP]")
HINT = "Click a word or a link for its numbers; drag to turn, right button to zoom."


def planes(layers=2, heads=2, words=WORDS, special=(0, 4)):
    size = len(words)
    return [
        PlaneMaps(
            name=f"Layer {i + 1}",
            tokens=words,
            attn=random_attention(i, heads, size, size),
            even=np.full((size, size), 1 / size),
            special=special,
        )
        for i in range(layers)
    ]


class Screen:
    """A drawn figure and a mouse."""

    def __init__(self, scene):
        self.scene = scene
        self.marks = place_marks(scene)
        self.figure = plane_graph(scene, title="planes")
        self.canvas = FigureCanvasAgg(self.figure)
        self.canvas.draw()
        self.axes = self.figure.axes[1]

    def where(self, point):
        x, y, _ = proj3d.proj_transform(*point, self.axes.get_proj())
        return self.axes.transData.transform((x, y))

    def click(self, spot, *, drag=(0, 0)):
        for name, at in (("button_press_event", spot), ("button_release_event", spot + drag)):
            event = MouseEvent(name, self.canvas, *at, button=MouseButton.LEFT)
            self.canvas.callbacks.process(name, event)

    @property
    def note(self):
        return self.figure.axes[0].texts[-1].get_text()

    def node(self, plane, node):
        found = np.flatnonzero((self.marks.node_of == (plane, node)).all(1))
        return self.where(self.marks.nodes[found[0]])


@pytest.fixture
def screen():
    return Screen(make_scene(planes(), style=SceneStyle(pruning=Pruning(mass=1))))


def test_the_figure_names_every_layer_word_and_class():
    classes = [ClassNode(name="good", probability=0.75), ClassNode(name="bad", probability=0.25)]
    scene = make_scene(planes(), style=SceneStyle(), classes=classes)
    figure = plane_graph(scene, title="planes")
    written = set(texts(figure))
    assert {"Layer 1", "Layer 2", *WORDS, "good 0.75", "bad 0.25", "planes", HINT} <= written
    assert any(text.startswith("6 of 20 links, ") for text in written)
    assert pixels(figure).min() < 100


def test_a_sentence_of_one_word_can_be_drawn():
    scene = make_scene(planes(1, 1, words=("a",), special=()), style=SceneStyle())
    figure = plane_graph(scene, title="one")
    assert any(t.startswith("0 of 0 links, 0 % of their weight;") for t in texts(figure))
    pixels(figure)


def test_clicking_a_word_tells_whom_it_looks_at_and_who_looks_at_it(screen):
    assert screen.note == HINT
    screen.click(screen.node(1, 3))
    attn = screen.scene.planes[1].attn.mean(0)
    lines = screen.note.splitlines()
    assert lines[0] == "home   layer 2"
    received = attn[:, 3].sum()
    assert lines[1] == f"receives {received:.2f}, {received:.1f} x an even share"
    best = int(attn[3].argmax())
    assert lines[3].startswith(f"looks at  {WORDS[best]} {attn[3, best]:.2f}")


def test_clicking_a_link_tells_both_directions_and_the_strongest_head(screen):
    pair = int(np.flatnonzero((screen.scene.edges[0].pairs == (1, 3)).all(1))[0])
    ends = screen.marks.links_of(0)[pair]
    screen.click(screen.where(0.72 * ends[0] + 0.28 * ends[1]))
    heads = screen.scene.planes[0].attn
    attn, both = heads.mean(0), heads[:, 1, 3] + heads[:, 3, 1]
    assert screen.note.splitlines() == [
        "we - home   layer 1",
        f"we looks at home: {attn[1, 3]:.3f}",
        f"home looks at we: {attn[3, 1]:.3f}",
        f"together {both.mean():.3f}, {both.mean() / 0.4:.1f} x even",
        f"strongest in head {both.argmax() + 1}: {both.max():.3f}",
    ]


def test_clicking_a_line_between_planes_says_that_it_is_the_value_step(screen):
    line = screen.marks.values[2]
    screen.click(screen.where(line.mean(0)))
    assert screen.note.startswith("$flew$   layer 1 to layer 2\nvalue step: its vector goes on")


def test_clicking_beside_everything_clears_the_note_and_the_light(screen):
    marks = len(screen.axes.collections)
    screen.click(screen.node(0, 1))
    assert len(screen.axes.collections) == marks + 1
    screen.click(np.array([5.0, 5.0]))
    assert screen.note == ""
    assert len(screen.axes.collections) == marks


def test_dragging_turns_the_planes_and_selects_nothing(screen):
    before = screen.axes.azim
    spot = screen.node(0, 1)
    aside = spot[0] + 60, spot[1] + 10
    press = MouseEvent("button_press_event", screen.canvas, *spot, button=MouseButton.LEFT)
    screen.canvas.callbacks.process("button_press_event", press)
    move = MouseEvent(
        "motion_notify_event",
        screen.canvas,
        *aside,
        button=MouseButton.LEFT,
        buttons={MouseButton.LEFT},
    )
    screen.canvas.callbacks.process("motion_notify_event", move)
    release = MouseEvent("button_release_event", screen.canvas, *aside, button=MouseButton.LEFT)
    screen.canvas.callbacks.process("button_release_event", release)
    assert screen.axes.azim != before
    assert screen.note == HINT
    screen.canvas.draw()
    screen.click(screen.node(0, 1))
    assert screen.note.startswith("we   layer 1")  # the picking has turned with the planes


def test_dragging_with_the_right_button_zooms(screen):
    def width():
        return np.ptp(screen.axes.get_xlim3d())

    before, spot = width(), np.array([500.0, 300.0])
    right = {"button": MouseButton.RIGHT}
    for name, at, more in (
        ("button_press_event", spot, {}),
        ("motion_notify_event", spot + np.array([0, 80]), {"buttons": {MouseButton.RIGHT}}),
    ):
        event = MouseEvent(name, screen.canvas, *at, **right, **more)
        screen.canvas.callbacks.process(name, event)
    assert width() != before


def test_a_class_tells_which_words_speak_for_and_against_it():
    shares = np.array([0.0, 1.5, -0.5, 0.25, 0.0])
    classes = [ClassNode(name="good", probability=0.75, shares=shares)]
    screen = Screen(make_scene(planes(), style=SceneStyle(), classes=classes))
    screen.click(screen.node(2, 0))
    assert screen.note.splitlines() == [
        "good   probability 0.750",
        "for it  we +1.50, home +0.25",
        "against  $flew$ -0.50",
        "parts of its logit",
    ]


def test_links_of_all_heads_lie_side_by_side():
    style = SceneStyle(head="all", colour="head", pruning=Pruning(mass=1))
    screen = Screen(make_scene(planes(heads=3), style=style))
    edges = screen.scene.edges[0]
    mine = (edges.pairs == (1, 3)).all(1)
    assert sorted(edges.head[mine]) == [0, 1, 2]
    assert len(np.unique(screen.marks.links_of(0)[mine].round(6), axis=0)) == 3


def test_a_picture_of_what_words_read_in_another_sentence_has_two_rings():
    attn = np.zeros((1, 5, 5))
    attn[0, :2, 2:] = [[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]]
    even = np.zeros((5, 5))
    even[:2, 2:] = 1 / 3
    words = ("le", "chat", "the", "black", "cat")
    plane = PlaneMaps(name="Decoder 1", tokens=words, attn=attn, even=even, inner=3)
    scene = make_scene([plane], style=SceneStyle(pruning=Pruning(mass=1)))
    assert scene.edges[0].total == 6
    assert scene.edges[0].pairs.tolist()[-1] == [1, 4]
    screen = Screen(scene)
    assert set(words) <= set(texts(screen.figure))
    screen.click(screen.node(0, 4))
    assert screen.note.splitlines() == [
        "cat   decoder 1",
        "receives 1.25, 1.9 x an even share",
        "looked at by  chat 1.00, le 0.25",
        "mean of all heads",
    ]
