import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.metrics import adjusted_rand_score, silhouette_score

from attn_monitor.analysis.lens.clusters import cluster_vectors, number_by_place
from attn_monitor.analysis.lens.elbow import elbow_curve, silhouette


def planted(noise=0.1, clusters=5, each=30, dimensions=8, seed=0):
    """Return vectors around a few centres, and which centre each came from."""
    rng = np.random.default_rng(seed)
    centres = 4 * np.eye(clusters, dimensions)
    truth = np.repeat(np.arange(clusters), each)
    return centres[truth] + noise * rng.normal(size=(len(truth), dimensions)), truth


@pytest.mark.parametrize(("noise", "least"), [(0.0, 1.0), (0.3, 1.0), (0.9, 0.9)])
def test_planted_clusters_come_back(noise, least):
    for seed in range(5):
        vectors, truth = planted(noise, seed=seed)
        assert adjusted_rand_score(truth, cluster_vectors(vectors, k=5).labels) >= least


@settings(max_examples=10)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_centroids_are_means_and_inertia_is_their_squared_distance(seed, k):
    vectors = np.random.default_rng(seed).normal(size=(20, 3))
    found = cluster_vectors(vectors, k=k)
    for label, centroid in enumerate(found.centroids):
        np.testing.assert_allclose(vectors[found.labels == label].mean(axis=0), centroid)
    apart = ((vectors - found.centroids[found.labels]) ** 2).sum()
    assert found.inertia == pytest.approx(apart)
    nearest = ((vectors[:, None] - found.centroids[None]) ** 2).sum(-1).argmin(1)
    np.testing.assert_array_equal(nearest, found.labels)


def test_the_same_seed_gives_the_same_clusters():
    vectors, _ = planted(2.0)
    first, second = cluster_vectors(vectors, seed=3), cluster_vectors(vectors, seed=3)
    np.testing.assert_array_equal(first.labels, second.labels)


def test_there_are_never_more_clusters_than_different_vectors():
    found = cluster_vectors(np.repeat(np.eye(3), 4, axis=0), k=16)
    assert found.centroids.shape == (3, 3)
    assert found.inertia == 0


def test_clusters_are_numbered_by_where_their_tokens_stand():
    vectors, truth = planted()
    place = 1 - truth / 4
    found = number_by_place(cluster_vectors(vectors, k=5), place)
    np.testing.assert_array_equal(found.labels, 4 - truth)
    np.testing.assert_allclose(found.centroids[0], vectors[truth == 4].mean(axis=0))


def test_numbers_stay_when_the_space_turns_between_steps():
    vectors, truth = planted(0.3)
    before = cluster_vectors(vectors, k=5).labels
    turned = vectors @ ortho_group.rvs(8, random_state=1)
    now = cluster_vectors(turned, k=5, seed=9, before=before)
    np.testing.assert_array_equal(now.labels, before)
    assert now.kept == now.agreement == 1
    np.testing.assert_allclose(now.centroids[0], turned[before == 0].mean(axis=0))
    assert truth.max() == 4


def test_a_token_that_moves_over_is_counted_and_the_rest_keeps_its_numbers():
    vectors, _ = planted(0.0, each=10)
    before = cluster_vectors(vectors, k=5).labels
    vectors[0] = vectors[-1]
    now = cluster_vectors(vectors, k=5, before=before)
    assert now.kept == pytest.approx(49 / 50)
    assert 0.9 < now.agreement < 1
    assert now.labels[0] == before[-1]


def test_a_cluster_that_was_empty_starts_at_a_token_far_from_all_others():
    vectors, truth = planted(0.0)
    before = np.where(truth == 4, 0, truth)  # number 4 had no tokens
    now = cluster_vectors(vectors, k=5, before=before)
    assert adjusted_rand_score(truth, now.labels) == 1
    assert now.kept == pytest.approx(0.8)


def test_a_step_with_fewer_different_vectors_starts_over():
    now = cluster_vectors(np.repeat(np.eye(2), 3, axis=0), k=5, before=np.array([4, 3, 2, 1, 0, 0]))
    assert now.kept is None
    assert len(now.centroids) == 2


def test_no_vectors_and_other_tokens_are_refused():
    with pytest.raises(ValueError, match="cannot cluster no vectors"):
        cluster_vectors(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="clusters of 2 tokens, this one 3 vectors"):
        cluster_vectors(np.eye(3), before=np.array([0, 1]))


def test_the_elbow_finds_the_planted_number_of_clusters():
    vectors, _ = planted(0.2, clusters=6)
    curve = elbow_curve(vectors, ks=range(2, 16))
    assert curve.chosen == 6
    assert curve.ks == tuple(range(2, 16))
    assert all(np.diff(curve.inertias[:5]) < 0)


def test_a_curve_too_short_for_an_elbow_chooses_its_first_point():
    vectors, _ = planted()
    assert elbow_curve(vectors, ks=[4]).chosen == 4
    assert elbow_curve(np.ones((4, 2)), ks=[3, 2, 4]).chosen == 2
    with pytest.raises(ValueError, match="at least one number of clusters to try; got none"):
        elbow_curve(vectors, ks=[])


def test_the_silhouette_is_sklearns_and_undefined_without_two_groups():
    vectors, truth = planted(1.0)
    found = cluster_vectors(vectors, k=5)
    assert silhouette(vectors, found) == pytest.approx(silhouette_score(vectors, found.labels))
    assert np.isnan(silhouette(vectors, cluster_vectors(vectors, k=1)))
    assert np.isnan(silhouette(np.eye(3), cluster_vectors(np.eye(3), k=3)))
    assert len(truth) == 150


def test_vectors_of_a_head_that_diverged_are_refused():
    vectors, _ = planted()
    vectors[:3] = np.inf
    with pytest.raises(ValueError, match="3 of 150 vectors are not finite: the head diverged"):
        cluster_vectors(vectors)
