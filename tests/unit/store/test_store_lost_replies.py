"""A store that does what it is asked and says that it failed: nothing is lost, doubled or mixed."""

import itertools
import uuid

import fsspec
import numpy as np
import pytest
from recordings import encoder_info, record

from attn_monitor.store import RunWriter, open_run, verify_run
from attn_monitor.store.local import LocalFolder
from attn_monitor.store.remote import RemoteFolder

INFO = encoder_info(lengths=(6, 5))
STEPS = 3
KINDS = {"local": (LocalFolder, ("write", "append_log")), "remote": (RemoteFolder, ("write",))}


@pytest.fixture(params=KINDS)
def place(request, tmp_path):
    """Where to write next, each time another folder, and what writes there."""
    root = f"memory://{uuid.uuid4().hex}" if request.param == "remote" else str(tmp_path)
    places = (f"{root}/{each}" for each in itertools.count())
    yield lambda: next(places), *KINDS[request.param]
    if request.param == "remote":
        fsspec.filesystem("memory").rm(root, recursive=True)


def lose(monkeypatch, folder, operations, lost):
    """Of all operations that change something, the chosen ones are done and then fail."""
    count = itertools.count()

    def losing(real):
        def operation(self, *args):
            at = next(count)
            found = real(self, *args)
            if at in lost:
                raise OSError("the connection was closed")
            return found

        return operation

    for name in operations:
        monkeypatch.setattr(folder, name, losing(getattr(folder, name)))
    return count


def written(url):
    """Write every step until it is acknowledged, other numbers at every try; return what was."""
    acknowledged, writer = {}, None
    for step in range(STEPS):
        for attempt in range(4):
            tried = record(INFO, step, seed=10 * attempt, vectors=True)
            try:
                writer = writer or RunWriter(url, INFO)
                writer.write(tried)
            except OSError:
                if writer is not None:
                    found = verify_run(url)
                    assert (found.problems, found.whole) == ((), found.steps)
                continue
            acknowledged[step] = tried
            break
    return acknowledged


@pytest.mark.parametrize("together", [(0,), (0, 1), (0, 2)], ids=["one", "two", "its retry's"])
def test_a_step_whose_reply_was_lost_is_written_again(place, monkeypatch, together):
    urls, folder, operations = place
    with monkeypatch.context() as patch:
        done = lose(patch, folder, operations, ())
        written(urls())
        operation_count = next(done)
    assert operation_count >= 3 * STEPS + 1
    for first in range(operation_count):
        url = urls()
        with monkeypatch.context() as patch:
            lose(patch, folder, operations, [first + at for at in together])
            acknowledged = written(url)
        assert sorted(acknowledged) == list(range(STEPS))
        found = verify_run(url)
        assert (found.steps, found.problems) == (tuple(range(STEPS)), ()), first
        assert found.whole == found.steps
        run = open_run(url)
        values = run.metric_values(part="encoder", probe=1)
        for step, truth in acknowledged.items():
            read = run.attention(step=step, probe=1, part="encoder", layer=1)
            np.testing.assert_allclose(read, truth.attention["encoder"][1][1], atol=0.005)
            wanted = truth.metrics["encoder"][1].astype(np.float32)
            np.testing.assert_allclose(values[step], wanted, rtol=1e-6)
