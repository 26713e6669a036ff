"""When a training is recorded."""

import pytest

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.monitor.schedule import Schedule


def test_every_validation_is_recorded_unless_said_otherwise():
    assert all(Schedule().at_validation(epochs, of=None) for epochs in range(5))
    assert not any(Schedule().at_step(step) for step in range(5))


def test_every_nth_epoch_is_recorded_and_the_last_one_in_any_case():
    third = Schedule(every_n_epochs=3)
    assert [n for n in range(9) if third.at_validation(n, of=8)] == [0, 3, 6, 8]
    assert [n for n in range(9) if third.at_validation(n, of=None)] == [0, 3, 6]
    assert [n for n in range(9) if third.at_validation(n, of=-1)] == [0, 3, 6]


def test_every_nth_step_replaces_validations():
    fourth = Schedule(every_n_steps=4)
    assert [step for step in range(10) if fourth.at_step(step)] == [0, 4, 8]
    assert not any(fourth.at_validation(epochs, of=3) for epochs in range(5))


@pytest.mark.parametrize("wrong", [{"every_n_epochs": 0}, {"every_n_steps": 0}])
def test_a_schedule_that_never_comes_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="must be an integer >= 1, got 0"):
        Schedule(**wrong)
