"""A short version of `make kill`: 1,000 kills there, some here."""

import pytest

from tests.reliability.kill import sweep

KILLS = 8


@pytest.mark.timeout(120)
def test_every_acknowledged_step_survives_kill_9_and_nothing_torn_is_visible(tmp_path):
    assert sweep(tmp_path / "run", kills=KILLS) >= KILLS
