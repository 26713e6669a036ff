"""`make demo`: train the airline model under the monitor, with its tab open from the start.

python examples/demo.py
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from airline_sentiment import train

WHAT_TO_LOOK_AT = """
  Open   {url}
  The first ticks of the slider appear within a minute and more with every epoch, without reloading.

  What to look at
    1. Drag the slider at the top, or press play: every head at every recorded step.
    2. Layer headers: switch between Sankey (who is read by whom) and Maps (one per head).
    3. Maps, sorted by Entropy: heads that all look at one word first, diagonals last.
    4. The small bars in every word: how much each head looks at it. Hover one for its map.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--limit", type=int, help="use only this many tweets")
    parser.add_argument("--logdir", default=".demo/logs")
    parser.add_argument("--port", type=int, default=6006, help="the first port to try")
    parser.add_argument("--once", action="store_true", help="stop when the training ends")
    options = parser.parse_args()
    Path(options.logdir).mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(KeyboardInterrupt), tensorboard(options.logdir, options.port) as url:
        print(WHAT_TO_LOOK_AT.format(url=url), flush=True)
        metrics = train(epochs=options.epochs, limit=options.limit, logdir=options.logdir)
        print(
            f"\nTrained. Held-out tweets: accuracy {metrics['test_accuracy']:.1%} "
            "(always guessing 'negative': 62.7 %, a bag of words: 81.6 %)."
        )
        if not options.once:
            print(f"The tab stays open at {url}. Stop with Ctrl-C.", flush=True)
            while True:
                time.sleep(3600)


@contextlib.contextmanager
def tensorboard(logdir: str, first_port: int) -> Iterator[str]:
    """Serve a log directory; yield the tab's address once it answers."""
    port = free_port(first_port)
    url = f"http://localhost:{port}/"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", logdir, "--port", str(port)]
    log = Path(logdir).with_name("tensorboard.log")
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until_up(url, server, log)
            yield f"{url}#attn_monitor"
        finally:
            server.terminate()
            server.wait()


def free_port(first: int) -> int:
    for port in range(first, first + 50):
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)) != 0:
                return port
    raise SystemExit(f"No free port between {first} and {first + 49}; choose one with --port")


def wait_until_up(url: str, server: subprocess.Popen[bytes], log: Path, seconds: int = 60) -> None:
    for _ in range(seconds * 4):
        if server.poll() is not None:
            raise SystemExit(f"TensorBoard did not start:\n{log.read_text()[-2000:]}")
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        time.sleep(0.25)
    raise SystemExit(f"TensorBoard did not answer at {url} within {seconds} s")


if __name__ == "__main__":
    main()
