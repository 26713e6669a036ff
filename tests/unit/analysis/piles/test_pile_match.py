import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from attn_monitor.analysis.piles.match import match_groups

LABELS = st.integers(1, 8).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 3), min_size=n, max_size=n).map(np.array)] * 2)
)


def test_the_same_groups_under_other_names_get_their_names_back():
    match = match_groups(np.array([0, 0, 1, 2]), np.array([2, 2, 0, 1]))
    assert match.labels.tolist() == [0, 0, 1, 2]
    assert match.kept == match.agreement == 1


def test_a_pile_that_split_keeps_its_number_on_the_larger_part():
    match = match_groups(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 2]))
    assert match.labels.tolist() == [2, 0, 0, 1]
    assert match.kept == 0.75


def test_a_pile_nobody_came_from_gets_a_number_that_was_never_used():
    match = match_groups(np.array([5, 5, 5]), np.array([0, 1, 1]))
    assert match.labels.tolist() == [6, 5, 5]


@given(LABELS)
def test_no_other_naming_keeps_more_members(labels):
    before, now = labels
    match = match_groups(before, now)
    groups = np.unique(now)
    names = np.arange(before.max() + 1 + len(groups))
    best = max(
        sum(
            names_[place] == old
            for old, new in zip(before, now, strict=True)
            for place in [groups.tolist().index(new)]
        )
        for names_ in itertools.permutations(names, len(groups))
    )
    assert match.kept == pytest.approx(best / len(now))


@given(LABELS)
def test_matching_renames_groups_and_never_regroups(labels):
    before, now = labels
    match = match_groups(before, now)
    assert adjusted_rand_score(now, match.labels) == 1


@given(LABELS)
def test_agreement_is_sklearns_adjusted_rand_score(labels):
    first, second = labels
    assert match_groups(first, second).agreement == pytest.approx(
        adjusted_rand_score(first, second)
    )


def test_groups_of_different_items_cannot_be_matched():
    with pytest.raises(ValueError, match="cannot match groups of 2 items with groups of 3"):
        match_groups(np.zeros(2, int), np.zeros(3, int))
