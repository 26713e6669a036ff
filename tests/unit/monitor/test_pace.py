"""Costly work stays below its share of the time."""

from hypothesis import given
from hypothesis import strategies as st

from attn_monitor.monitor.pace import Pace


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_first_work_is_always_due():
    assert Pace(0.1, Clock()).due()


def test_after_one_second_of_work_a_tenth_waits_ten_seconds():
    clock = Clock()
    pace = Pace(0.1, clock)
    with pace.working():
        clock.now = 1.0
    clock.now = 9.9
    assert not pace.due()
    clock.now = 10.0
    assert pace.due()


@given(
    st.floats(0.05, 1),
    st.lists(st.tuples(st.floats(0.01, 5), st.floats(0, 20)), min_size=1, max_size=30),
)
def test_work_never_takes_more_than_its_share_plus_one_piece(share, pieces):
    clock = Clock()
    pace = Pace(share, clock)
    worked, longest = 0.0, 0.0
    for work, pause in pieces:
        if pace.due():
            with pace.working():
                clock.now += work
            worked += work
            longest = max(longest, work)
        clock.now += pause
    assert worked <= share * clock.now + longest + 1e-6


def test_what_counts_is_how_long_the_work_took_not_when_it_began():
    clock = Clock()
    clock.now = 500.0
    pace = Pace(0.1, clock)
    with pace.working():
        clock.now = 502.0
    clock.now = 519.9
    assert not pace.due()
    clock.now = 520.0
    assert pace.due()
