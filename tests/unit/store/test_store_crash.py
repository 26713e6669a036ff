"""A short version of `make kill`: 1,000 kills there, some here."""

import pytest

from tests.reliability.kill import IN_A_CHAIN, sweep


@pytest.mark.timeout(600)
def test_every_acknowledged_step_survives_kill_9_and_nothing_torn_is_visible(tmp_path):
    found = sweep(tmp_path, kills=IN_A_CHAIN, seed=3)
    assert found.faults == {}, found.examples
    assert found.done["kills"] == IN_A_CHAIN
    assert found.done["acknowledged steps"] >= IN_A_CHAIN
