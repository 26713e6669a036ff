"""A growing run with thinning, watched by eight clients on all routes, resumed in the middle.

    make soak    (PYTHONPATH=.:tests python tests/reliability/soak.py --minutes 30)

A second rank joins late. The servers are two of TensorBoard's WSGI applications in this process,
each asked by half of the clients; the training is another process. Answers other than 200 and 404
are errors. A client thinks between two questions, half a second on average.

Memory is what the process holds beside its caches, which have bounds: it may rise by a stated
number of megabytes over the second half, and the program fails where it rises by more.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

from wsgi_tab import served

from attn_monitor.store.lru import ByteLru

ROOT = Path(__file__).parents[2]
RECORDER = f"""
import sys, time
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from recordings import encoder_info, record
from attn_monitor.store import RunWriter
run_dir, seconds, steps = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
info, other = encoder_info(lengths=(12, 9, 10)), encoder_info(lengths=(8, 7), first_index=3)
pause, step, late = seconds / steps, 0, None
for resume in (None, steps // 2 - 5):
    start = 0 if resume is None else resume + 1
    with RunWriter(run_dir, info, resume_step=resume, budget_mb=2) as writer:
        for step in range(start, steps // 2 if resume is None else steps):
            writer.write(record(info, step, vectors=True))
            if step >= steps // 3:
                late = late or RunWriter(run_dir, other, rank=1, budget_mb=1)
                late.write(record(other, step, vectors=True))
            time.sleep(pause)
"""
ROUTES = ("index", "run", "attention", "metrics", "piles", "lens", "joint", "over_time", "curves",
          "signals", "elbow")  # fmt: skip
THINKING = 0.5  # seconds
MOST_GROWTH = 16  # MB beside the caches, over the second half: the steps' own lines among them


def memory():
    """Resident memory of this process, in megabytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


class _Malloc(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost")]  # fmt: skip


def freed():
    """Megabytes that were freed and that malloc has not given back."""
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = _Malloc
    return libc.mallinfo2().fordblks / 2**20


def watched_caches(most):
    """Return a list that every cache joins, those that are there and those that will be.

    With ``most`` none of them holds more: what rises then is not remembered but lost.
    """
    found = [one for one in gc.get_objects() if isinstance(one, ByteLru)]
    own = ByteLru.__init__

    def watched(self, capacity):
        own(self, min(capacity, most))
        found.append(self)

    ByteLru.__init__ = watched
    for one in found:
        one._capacity = min(one._capacity, most)
    return found


def ask(client, rng, newest):
    route = rng.choice(ROUTES)
    step = rng.randrange(newest + 1) if rng.random() < 0.3 else newest
    asked = {"run": "a", "step": step, "part": "encoder", "probe": rng.randrange(5), "layer": 0,
             "head": rng.randrange(3), "metrics": "prev", "k": 3}  # fmt: skip
    if route == "metrics":
        asked.pop("probe")
    return route, client.get(f"/data/plugin/attn_monitor/{route}", query_string=asked)


def soak(folder, *, seconds, steps, clients=8, cached=2**60, say=print):
    """Run it; return (answers by status, times by route, faults, memory over time).

    Memory is pairs of megabytes: of the process, and what its caches hold by their own account.
    """
    recorder = subprocess.Popen(
        [sys.executable, "-c", RECORDER, str(folder / "a"), str(seconds), str(steps)]
    )
    caches = watched_caches(cached)
    servers = [served(folder, ["a"]) for _ in range(2)]
    statuses, times, faults = Counter(), defaultdict(list), Counter()
    newest, lock = [0], threading.Lock()

    def watch(seed):
        rng, client = random.Random(seed), servers[seed % 2]
        while recorder.poll() is None:
            time.sleep(rng.expovariate(1 / THINKING))
            start = time.perf_counter()
            try:
                route, reply = ask(client, rng, newest[0])
            except Exception as error:  # noqa: BLE001 - a server would answer 500
                with lock:
                    faults[repr(error)[:200]] += 1
                continue
            with lock:
                statuses[reply.status_code] += 1
                if reply.status_code == 200:  # that a step is gone is said faster
                    times[route].append(time.perf_counter() - start)
                if reply.status_code not in {200, 404}:
                    faults[f"{reply.status_code} of /{route}"] += 1
                if route == "run" and reply.status_code == 200:
                    newest[0] = max([0, *(one["step"] for one in reply.json["steps"])])

    threads = [threading.Thread(target=watch, args=(at,), daemon=True) for at in range(clients)]
    for thread in threads:
        thread.start()
    held, end = [], time.monotonic() + 1.1 * seconds
    while recorder.poll() is None:
        if time.monotonic() > end:  # on a busy machine it does not get to its last step
            recorder.terminate()
            recorder.wait()
            break
        held.append((memory(), sum(one.size for one in caches) / 2**20))
        held_now = (
            f"{held[-1][0]:.0f} MB, of which caches hold {held[-1][1]:.0f}, freed {freed():.0f}"
        )
        say(f"{statuses.total()} answers, step {newest[0]}, {held_now}, {dict(faults)}")
        time.sleep(max(1.0, seconds / 60))
    for thread in threads:
        thread.join(60)
    assert recorder.returncode in {0, -signal.SIGTERM}
    say(f"step {newest[0]} was seen last")
    return statuses, times, faults, held


def grown(held):
    """Megabytes beside the caches that the second half added, by medians of its ends."""
    beside = [all_of_it - kept for all_of_it, kept in held[len(held) // 2 :]]
    few = max(1, len(beside) // 5)
    return statistics.median(beside[-few:]) - statistics.median(beside[:few])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--cached", type=int, default=2**60, help="bytes, in each cache at most")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        statuses, times, faults, held = soak(
            Path(folder), seconds=60 * options.minutes, steps=options.steps, cached=options.cached
        )
    half = held[len(held) // 2 :]
    grew = grown(held)
    print(f"answers {dict(statuses)}; faults {dict(faults)}")
    print(
        f"memory {held[0][0]:.0f} MB at first, {half[0][0]:.0f} at half, "
        f"{held[-1][0]:.0f} at last, "
        f"of which caches {half[0][1]:.0f} and {held[-1][1]:.0f}; beside them it grew by "
        f"{grew:.1f} MB in the second half (at most {MOST_GROWTH})"
    )
    for route, found in sorted(times.items()):
        ordered = sorted(found)
        p50, p99 = ordered[len(ordered) // 2], ordered[int(0.99 * len(ordered))]
        print(f"/{route:10} {len(found):6}  p50 {1000 * p50:.0f} ms  p99 {1000 * p99:.0f} ms")
    return 1 if faults or grew > MOST_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
