import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from attn_monitor.signals.dormant import dormant_heads

STEPS = (0, 10, 20, 30, 40)


def shares(*columns):
    """Return shares of one layer whose other head writes the rest."""
    values = np.array(columns, dtype=float)
    return np.stack([values, 1 - values], axis=-1)[:, None]


def test_a_head_falls_asleep_wakes_up_and_falls_asleep_again():
    (found,) = dormant_heads(shares(0.5, 0.05, 0.4, 0.04, 0.02), STEPS, [2])
    assert (found.layer, found.head, found.asleep) == (0, 0, True)
    assert found.spells == ((10, 20), (30, None))
    np.testing.assert_allclose(found.writes, 0.04)


def test_a_head_that_wavers_between_the_two_bounds_stays_what_it_was():
    (found,) = dormant_heads(shares(0.09, 0.12, 0.14, 0.12, 0.14), STEPS, [2])
    assert found.spells == ((0, None),)
    assert dormant_heads(shares(0.4, 0.12, 0.14, 0.12, 0.11), STEPS, [2]) == ()


def test_sleepers_come_first_and_a_head_alone_in_its_layer_is_never_one():
    table = np.full((2, 2, 3), np.nan)
    table[:, 0] = [[0.01, 0.49, 0.5], [0.3, 0.02, 0.68]]
    table[:, 1, 0] = 1
    found = dormant_heads(table, (0, 1), [3, 1])
    assert [(head.head, head.asleep, head.spells) for head in found] == [
        (1, True, ((1, None),)),
        (0, False, ((0, 1),)),
    ]


def test_nothing_is_known_without_shares_and_a_step_without_one_changes_nothing():
    assert dormant_heads(np.full((2, 1, 2), np.nan), (0, 1), [2]) is None
    (found,) = dormant_heads(shares(0.05, np.nan, 0.05), STEPS[:3], [2])
    assert found.spells == ((0, None),)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_spells_follow_one_another(values):
    for head in dormant_heads(shares(*values), range(len(values)), [2]):
        flat = [step for spell in head.spells for step in spell if step is not None]
        assert flat == sorted(set(flat))
        assert head.asleep == (len(flat) % 2 == 1)
