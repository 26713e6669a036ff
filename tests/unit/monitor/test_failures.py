import copy
import pickle
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
    with pytest.warns(AttentionMonitorWarning, match="ValueError: no"):
        warnings.simplefilter("error")
        with Failures().contained("testing"):
            raise ValueError("no")


def test_errors_that_are_worded_anew_every_time_are_said_a_few_times():
    failures = Failures()
    with pytest.warns(AttentionMonitorWarning) as said:
        for step in range(40):
            with failures.contained(f"writing step {step}"):  # a store names every request
                raise OSError(f"SlowDown: request {step * 7919:08X}QZ, host a{step}-b")
            with failures.contained(f"writing step {step}"):
                raise ValueError("x" * step)
    texts = [str(one.message) for one in said]
    assert failures.count == 80
    assert sum("SlowDown" in text for text in texts) == 1
    assert len(texts) == 5
    assert "Further errors of other kinds are counted" in texts[-1]


def test_what_differs_with_every_sentence_is_said_once_per_kind_of_work():
    failures = Failures()
    with pytest.warns(AttentionMonitorWarning) as said:
        for sentence in range(3):
            for doing in ("spelling", "counting"):
                failures.report(f"sentence {sentence}", doing=doing, once=True)
        failures.report("sentence 7", doing="spelling")
        failures.report("sentence 7", doing="reading")
    assert failures.count == 8
    assert [str(one.message).partition("\n")[0] for one in said] == [
        f"AttentionMonitor, while {text}"
        for text in ("spelling: sentence 0", "counting: sentence 0", "spelling: sentence 7")
    ]


def test_a_copy_for_another_process_counts_on_by_itself():
    failures = Failures()
    with pytest.warns(AttentionMonitorWarning):
        failures.report("one", doing="testing")
    for copied in (copy.deepcopy(failures), pickle.loads(pickle.dumps(failures))):  # noqa: S301
        copied.report("one", doing="testing")
        assert (failures.count, copied.count) == (1, 2)


def test_a_keyboard_interrupt_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt), Failures().contained("testing"):
        raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore::attn_monitor.monitor.failures.AttentionMonitorWarning")
def test_the_worker_does_jobs_in_order_and_survives_a_failing_one():
    failures = Failures()
    worker = Worker(failures)
    done = []
    with pytest.warns(AttentionMonitorWarning, match="while two: ZeroDivisionError"):
        worker.submit("one", lambda: done.append(1))
        worker.submit("two", lambda: 1 / 0)
        worker.submit("three", lambda: done.append(3))
        worker.close()
    worker.close()
    assert done == [1, 3]
    assert failures.count == 1
