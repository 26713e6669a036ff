"""A short version of `make damage`: 5,000 recordings there, some here."""

import pytest

from tests.reliability.damage import MUTATIONS, sweep


@pytest.mark.timeout(600)
def test_mutated_recordings_are_answered_or_refused_and_never_anything_else():
    outcome = sweep(recordings=len(MUTATIONS) + 9, requests=12, seed=7)
    assert outcome.faults == {}, outcome.examples
    assert outcome.statuses[200] > 50
    assert outcome.statuses[404] > 50
