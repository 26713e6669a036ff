import warnings

import pytest

from attn_monitor.monitor.failures import AttentionMonitorWarning, Failures
from attn_monitor.monitor.worker import Worker


def test_an_error_is_said_once_and_counted_every_time():
    failures = Failures()
    with pytest.warns(AttentionMonitorWarning, match="while testing: ValueError: no") as said:
        for _ in range(3):
            with failures.contained("testing"):
                raise ValueError("no")
    assert failures.count == 3
    assert len(said) == 1


def test_errors_are_never_raised_even_where_warnings_are_errors():
    failures = Failures()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.warns(AttentionMonitorWarning), failures.contained("testing"):
            raise ValueError("no")


def test_a_keyboard_interrupt_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt), Failures().contained("testing"):
        raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore::attn_monitor.monitor.failures.AttentionMonitorWarning")
def test_the_worker_does_jobs_in_order_and_survives_a_failing_one():
    failures = Failures()
    worker = Worker(failures)
    done = []
    worker.submit("one", lambda: done.append(1))
    worker.submit("two", lambda: 1 / 0)
    worker.submit("three", lambda: done.append(3))
    worker.close()
    worker.close()
    assert done == [1, 3]
    assert failures.count == 1
