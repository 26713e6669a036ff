import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from attn_monitor.analysis.lens.joint import joint_basis


def clouds(seed, steps=3, tokens=20, d_head=6):
    rng = np.random.default_rng(seed)
    scale = np.array([5, 3, 1, 0.5, 0.2, 0.1])[:d_head]
    return [rng.normal(size=(tokens, d_head)) * scale + 7 for _ in range(steps)]


def test_the_plane_is_the_principal_plane_of_both_clouds_around_their_own_means():
    queries, keys = clouds(0), clouds(1)
    basis = joint_basis(queries, keys)
    asking, asked = np.concatenate(queries), np.concatenate(keys)
    together = np.concatenate([asking - asking.mean(0), asked - asked.mean(0)])
    oracle = PCA(2).fit(together)
    np.testing.assert_allclose(np.abs(basis.axes @ oracle.components_.T), np.eye(2), atol=1e-9)
    np.testing.assert_allclose(basis.explained, oracle.explained_variance_ratio_)
    assert basis.reach == pytest.approx(np.abs(together @ basis.axes.T).max())


@given(st.integers(0, 50), st.integers(0, 5))
def test_a_vector_added_to_all_keys_moves_nothing_for_softmax_does_not_see_it(seed, axis):
    queries, keys = clouds(seed), clouds(seed + 1)
    shift = 100.0 * np.eye(6)[axis]
    moved = [key + shift for key in keys]
    before, after = joint_basis(queries, keys), joint_basis(queries, moved)
    np.testing.assert_allclose(after.place_keys(moved[0]), before.place_keys(keys[0]), atol=1e-6)
    np.testing.assert_allclose(
        after.place_queries(queries[0]), before.place_queries(queries[0]), atol=1e-6
    )


def test_points_move_and_axes_do_not_when_the_head_changes():
    queries, keys = clouds(0), clouds(1)
    queries[2] = queries[2] + 4 * np.eye(6)[0]
    basis = joint_basis(queries, keys)
    moved = basis.place_queries(queries[2]).mean(0) - basis.place_queries(queries[0]).mean(0)
    assert np.linalg.norm(moved) > 3


def test_the_signs_of_the_axes_do_not_depend_on_the_order_of_steps():
    queries, keys = clouds(0), clouds(1)
    first, second = joint_basis(queries, keys), joint_basis(queries[::-1], keys[::-1])
    np.testing.assert_allclose(first.axes, second.axes, atol=1e-9)


def test_heads_of_one_dimension_lie_on_a_line():
    basis = joint_basis([np.array([[1.0], [2.0]])], [np.array([[0.0], [4.0]])])
    np.testing.assert_allclose(basis.place_keys(np.array([[0.0], [4.0]])), [[-2, 0], [2, 0]])


def test_vectors_that_are_missing_or_not_finite_are_refused():
    with pytest.raises(ValueError, match="needs queries and keys of at least one step"):
        joint_basis([], [])
    broken = clouds(0)
    broken[0][0, 0] = np.nan
    with pytest.raises(ValueError, match="the head diverged at one of these steps"):
        joint_basis(broken, clouds(1))
