"""How strong links look, which are drawn, and where words are: CS559 and C4-C7, C12-C17."""

from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_maps import random_attention
from scipy.stats import spearmanr

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.figures.planes import PlaneMaps, Pruning, SceneStyle, make_scene
from attn_monitor.figures.planes.edges import link_weights
from attn_monitor.figures.planes.places import ring_layout, weight_layout

WORDS = ("[CLS]", "a", "$b$", "c", "[SEP]")
NORMS = ["uniform", "raw", "layer", "row", "rank", "log"]
SEEDS = st.integers(0, 500)


def plane(attn, *, special=(), words=None):
    tokens = attn.shape[-1]
    return PlaneMaps(
        name="Layer 1",
        tokens=words or tuple(str(i) for i in range(tokens)),
        attn=np.asarray(attn, dtype=float),
        even=np.full((tokens, tokens), 1 / tokens),
        special=special,
    )


def links(attn, *, special=(), pruning=None, **style):
    style = SceneStyle(pruning=pruning or Pruning(), **style)
    return make_scene([plane(attn, special=special)], style=style).edges[0]


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


def test_even_attention_of_a_causal_model_is_a_quarter_too():
    causal = np.tril(np.ones((6, 6))) / np.arange(1, 7)[:, None]
    strength = link_weights(causal, norm="uniform", even=causal + causal.T)
    np.testing.assert_allclose(strength[~np.eye(6, dtype=bool)], 0.25)


@given(SEEDS)
def test_every_remedy_tells_links_apart_better_than_the_published_opacity(seed):
    attn = random_attention(seed, 16, 16, sharpness=1.0)
    off = ~np.eye(16, dtype=bool)
    baseline = link_weights(attn, norm="raw")[off]
    for norm in ("uniform", "layer", "rank"):
        assert link_weights(attn, norm=norm)[off].std() > baseline.std()


def test_the_published_opacity_is_both_directions_added():
    attn = np.array([[0.1, 0.8, 0.1], [0.3, 0.4, 0.3], [0.5, 0.4, 0.1]])
    np.testing.assert_allclose(
        link_weights(attn, norm="raw"), [[0, 1, 0.6], [1, 0, 0.7], [0.6, 0.7, 0]]
    )


def test_links_of_a_silent_plane_have_no_strength_and_are_not_drawn():
    assert not link_weights(np.zeros((3, 3))).any()
    assert len(links(np.eye(4)[None]).pairs) == 0


def test_a_plane_is_a_complete_graph_before_pruning():
    attn = random_attention(3, 1, 6, 6)
    drawn = links(attn, pruning=Pruning(mass=1))
    pairs = {tuple(pair) for pair in drawn.pairs.tolist()}
    assert pairs == set(nx.complete_graph(6).edges) == set(combinations(range(6), 2))
    assert drawn.total == 15
    assert drawn.share == pytest.approx(1)


def test_the_strongest_links_are_chosen_and_special_tokens_left_out():
    attn = np.zeros((1, 4, 4))
    attn[0, 0, 1], attn[0, 2, 1], attn[0, 3, 2], attn[0, 1, 3] = 0.9, 0.5, 0.3, 0.1
    edges = links(attn, special=(0,), pruning=Pruning(per_token=0.5))
    assert edges.pairs.tolist() == [[2, 3], [1, 2]]
    assert edges.total == 6
    assert edges.share == pytest.approx(0.8 / 1.8)


@given(SEEDS, st.floats(0.05, 0.95))
def test_pruning_keeps_the_fewest_links_with_the_wanted_mass(seed, mass):
    attn = random_attention(seed, 1, 7, 7)
    weights = sorted((attn[0, i, j] + attn[0, j, i] for i, j in combinations(range(7), 2)))[::-1]
    drawn = links(attn, pruning=Pruning(mass=mass))
    fewest = next(n for n in range(22) if sum(weights[:n]) >= mass * sum(weights) * (1 - 1e-9))
    assert len(drawn.pairs) == fewest
    np.testing.assert_allclose(drawn.weight[::-1], weights[:fewest])


def test_pruning_by_number_and_by_strength():
    attn = random_attention(1, 1, 8, 8)
    assert len(links(attn, pruning=Pruning(count=5)).pairs) == 5
    strong = links(attn, norm="rank", pruning=Pruning(level=0.75))
    assert len(strong.pairs) == 8  # the upper quarter of 28, and the one exactly there
    assert strong.strength.min() >= 0.75


def test_two_ways_of_pruning_at_once_are_refused():
    with pytest.raises(ConfigurationError, match=r"count=3 and mass=0\.5 are different ways"):
        Pruning(count=3, mass=0.5)
    with pytest.raises(ConfigurationError, match=r"mass must be from 0 to 1, got 1\.5"):
        Pruning(mass=1.5)
    with pytest.raises(ConfigurationError, match="count must be >= 0, got -1"):
        Pruning(count=-1)


def test_heads_can_be_chosen_averaged_maximised_or_all_drawn():
    attn = random_attention(2, 3, 5, 5)
    everything = Pruning(mass=1)
    for head, joined in ((1, attn[1]), ("mean", attn.mean(0)), ("max", attn.max(0))):
        drawn = links(attn, head=head, pruning=everything)
        both = joined + joined.T
        np.testing.assert_allclose(drawn.weight, both[tuple(drawn.pairs.T)])
    each = links(attn, head="all", pruning=everything)
    assert len(each.pairs) == 3 * 10
    both = attn + attn.transpose(0, 2, 1)
    np.testing.assert_allclose(each.weight, both[(each.head, *each.pairs.T)])
    strongest = links(attn, head="mean", pruning=everything)
    np.testing.assert_array_equal(strongest.head, both[(slice(None), *strongest.pairs.T)].argmax(0))


def test_a_head_that_is_not_there_is_refused():
    with pytest.raises(ConfigurationError, match="head 3 is not one of 0 to 1"):
        links(random_attention(0, 2, 4, 4), head=3)


@pytest.mark.parametrize(
    ("option", "odd", "message"),
    [
        ("head", "best", "head 'best' is unknown; give a number from 0, 'mean', 'max' or 'all'"),
        ("colour", "red", r"colour 'red' is unknown; choose one of \('weight', 'head', 'change'\)"),
        ("length", 2, r"length 2 is unknown; choose one of \('equal', 'weight'\)"),
        ("norm", "odd", r"norm 'odd' is unknown; choose one of \('uniform', "),
    ],
)
def test_an_unknown_choice_is_refused_also_without_type_checks(option, odd, message):
    style = SceneStyle()
    object.__setattr__(style, option, odd)  # past the type checks of these tests
    with pytest.raises(ConfigurationError, match=message):
        style.__post_init__()


def test_change_shows_what_grew_and_what_shrank_since_an_earlier_pass():
    before, after = np.full((1, 4, 4), 0.25), np.full((1, 4, 4), 0.25)
    after[0, 0] = [0.25, 0.45, 0.05, 0.25]
    scene = make_scene([plane(after)], style=SceneStyle(colour="change"), against=[plane(before)])
    edges = scene.edges[0]
    changed = {
        tuple(pair): sign
        for pair, sign in zip(edges.pairs.tolist(), np.sign(edges.change), strict=True)
    }
    assert changed == {(0, 1): 1, (0, 2): -1}
    with pytest.raises(ConfigurationError, match="give both it and against="):
        make_scene([plane(after)], style=SceneStyle(colour="change"))
    with pytest.raises(ConfigurationError, match="an earlier pass of the same model"):
        make_scene(
            [plane(after)], style=SceneStyle(colour="change"), against=[plane(np.ones((1, 2, 2)))]
        )


@pytest.mark.parametrize("seed", range(4))
def test_strongly_linked_words_are_closer_when_length_is_weight(seed):
    attn = random_attention(seed, 12, 12)
    strength = link_weights(attn)
    first, second = np.triu_indices(12, 1)

    def agreement(spots):
        lengths = np.linalg.norm(spots[first] - spots[second], axis=1)
        return spearmanr(lengths, strength[first, second]).statistic

    ring = ring_layout(12)
    placed = weight_layout(strength, ring)
    assert agreement(placed) < min(-0.25, agreement(ring) - 0.25)
    assert np.linalg.norm(placed, axis=1).max() == pytest.approx(1)


def test_the_ring_is_networkx_circular_layout_with_the_first_word_on_top():
    expected = nx.circular_layout(nx.complete_graph(7))
    spots = ring_layout(7)
    for token, (x, y) in expected.items():
        np.testing.assert_allclose(spots[token], (y, x), atol=1e-12)
    np.testing.assert_allclose(spots[0], (0, 1), atol=1e-7)
    assert np.linalg.norm(ring_layout(3, 4)[3:], axis=1).max() < 1


def test_the_same_word_is_at_the_same_place_in_every_plane():
    planes = [plane(random_attention(seed, 2, 6, 6)) for seed in range(3)]
    scene = make_scene(planes, style=SceneStyle(length="weight"))
    assert all(np.array_equal(spots, scene.spots[0]) for spots in scene.spots)
    assert scene.carried(0).tolist() == [[i, i] for i in range(6)]
