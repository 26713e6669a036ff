import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_maps import one_hot_rows, random_attention
from scipy.cluster.hierarchy import cophenet, fcluster, linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from attn_monitor.analysis.piles import cut, pile_distances, pile_tree, stack_piles
from attn_monitor.core.maps import Maps

LINKAGES = ["average", "complete", "single", "ward"]
DISTANCES = st.builds(
    lambda seed, heads: squareform(pdist(np.random.default_rng(seed).normal(size=(heads, 3)))),
    st.integers(0, 1000),
    st.integers(2, 9),
)


def planted(noise, seed):
    """Return four kinds of heads, three of each, on sentences of different lengths."""
    sentences = []
    for n in (7, 9, 12, 8):
        kinds = [
            list(range(n)),
            [0, *range(n - 1)],
            [n // 2] * n,
            [*range(1, n), n - 1],
        ]
        clean = np.stack([one_hot_rows(choices, n) for choices in kinds for _ in range(3)])
        mixed = random_attention(seed + n, 12, n, n, sharpness=1.0)
        sentences.append(Maps(attn=(1 - noise) * clean + noise * mixed))
    return sentences


@pytest.mark.parametrize("method", LINKAGES)
@given(distances=DISTANCES, share=st.floats(0, 1.2))
def test_cutting_gives_the_clusters_of_scipy(method, distances, share):
    tree = pile_tree(distances, linkage=method)
    height = share * tree.merges[-1, 2]
    expected = fcluster(linkage(squareform(distances), method), height, "distance")
    assert adjusted_rand_score(cut(tree, height=height), expected) == 1


@pytest.mark.parametrize("method", ["average", "complete", "single"])
@given(distances=DISTANCES, share=st.floats(0, 1.2))
def test_cutting_gives_the_clusters_of_sklearn(method, distances, share):
    tree = pile_tree(distances, linkage=method)
    height = share * tree.merges[-1, 2]
    model = AgglomerativeClustering(
        n_clusters=None,
        metric="precomputed",
        linkage=method,
        distance_threshold=np.nextafter(height, np.inf),  # sklearn stops at, we go up to
    )
    assert adjusted_rand_score(cut(tree, height=height), model.fit_predict(distances)) == 1


@given(DISTANCES)
def test_height_0_leaves_every_head_alone_and_the_top_makes_one_pile(distances):
    tree = pile_tree(distances)
    assert cut(tree, height=0.0).tolist() == list(range(len(distances)))
    assert not cut(tree, height=float(tree.merges[-1, 2])).any()


@given(DISTANCES)
def test_piles_are_numbered_by_their_first_head(distances):
    tree = pile_tree(distances)
    labels = cut(tree, height=float(np.median(tree.merges[:, 2])))
    firsts = [labels.tolist().index(label) for label in range(labels.max() + 1)]
    assert firsts == sorted(firsts)


@given(DISTANCES)
def test_the_faithfulness_of_the_tree_is_scipys_cophenetic_correlation(distances):
    tree = pile_tree(distances)
    if tree.heads > 2:
        expected = cophenet(linkage(squareform(distances), "average"), squareform(distances))[0]
        assert tree.cophenetic == pytest.approx(expected)
    else:
        assert np.isnan(tree.cophenetic)


@pytest.mark.parametrize(("noise", "least"), [(0.0, 1.0), (0.3, 0.9), (0.5, 0.9)])
def test_planted_piles_come_back(noise, least):
    truth = np.repeat(np.arange(4), 3)
    for seed in range(10):
        tree = pile_tree(pile_distances(planted(noise, seed)))
        height = float(np.mean(tree.merges[-4:-2, 2]))  # between the last merge kept and undone
        assert adjusted_rand_score(truth, cut(tree, height=height)) >= least


def test_a_layer_of_one_head_is_one_pile():
    tree = pile_tree(np.zeros((1, 1)))
    assert tree.merges.shape == (0, 4)
    assert cut(tree, height=0.0).tolist() == [0]


def test_a_pile_shows_the_mean_of_its_maps_and_the_numbers_of_its_heads():
    attn = random_attention(0, 4, 5, 5)
    piles = stack_piles(attn, np.array([0, 1, 0, 1]))
    assert [pile.heads for pile in piles] == [(0, 2), (1, 3)]
    np.testing.assert_allclose(piles[1].attn, (attn[1] + attn[3]) / 2)
    np.testing.assert_allclose(piles[0].attn.sum(axis=-1), 1)


def test_heads_that_diverged_are_named():
    attn = random_attention(0, 4, 5, 5)
    attn[[1, 3]] = np.nan
    with pytest.raises(ValueError, match=r"heads \[1, 3\] have no finite distance to any other"):
        pile_tree(pile_distances([Maps(attn=attn)]))
