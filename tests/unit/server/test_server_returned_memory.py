"""Memory that answers needed is given back, and threads share what areas of it there are."""

import subprocess
import sys

import pytest

from attn_monitor.store.lru import ByteLru
from tb_plugin.server.returned_memory import PAUSE, Returns, use_few_areas

AREAS = """
import ctypes, sys, threading
from tb_plugin.server.returned_memory import use_few_areas
if sys.argv[1] == "few":
    assert use_few_areas()
together = threading.Barrier(8)
def work():
    together.wait()
    held = bytearray(100_000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
ctypes.CDLL(None).malloc_stats()
"""


def areas(which, **environment):
    done = subprocess.run(
        [sys.executable, "-c", AREAS, which], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.count("Arena ")


@pytest.mark.skipif(sys.platform != "linux", reason="areas per thread are glibc's")
def test_eight_threads_share_two_areas_of_memory():
    assert areas("few") == 2
    assert areas("as usual") > 2


@pytest.mark.skipif(sys.platform != "linux", reason="areas per thread are glibc's")
def test_who_started_tensorboard_may_have_chosen_how_many(monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "3")
    assert not use_few_areas()


def test_memory_is_given_back_after_answers_and_not_after_each():
    now, done = [100.0], []
    returns = Returns(trim=lambda keep: done.append((now[0], keep)), clock=lambda: now[0])
    for moment in (100.5, 100 + PAUSE, 100.5 + PAUSE, 99 + 2 * PAUSE, 101 + 2 * PAUSE):
        now[0] = moment
        returns.answered()
    assert done == [(100 + PAUSE, 0), (101 + 2 * PAUSE, 0)]


def test_what_is_made_anew_takes_the_place_of_what_was_made_from_less():
    cache = ByteLru(10_000)
    for version in range(20):
        assert cache.get("curve", lambda v=version: v, lambda _: 100, made_from=version) == version
    assert cache.size == 1100
    assert cache.find("curve", made_from=18) is None
    assert cache.find("curve", made_from=19) == 19
    cache.keep("curve", "too large", 10_000, made_from=20)
    assert cache.size == 0
