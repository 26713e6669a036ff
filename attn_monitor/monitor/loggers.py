"""Loggers other than TensorBoard's: numbers by ``log_metrics``, the rest by each one's own call."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from attn_monitor.monitor.failures import Failures

Pixels = UInt8[np.ndarray, "row column 3"]
GivePicture = Callable[[str, Pixels, int], object]
GivePage = Callable[[str, Path, int], object]


@runtime_checkable
class NumberLogger(Protocol):
    """What every logger of Lightning has."""

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Keep numbers under their names."""
        ...


class Loggers:
    """Hands numbers, pictures and pages on; what a logger refuses is said once.

    Numbers wait for :meth:`deliver`, which belongs in the thread that trains: the file of a
    ``CSVLogger`` has no lock, and MLflow's active run is one per thread. Pictures go at once.

    Args:
        loggers: Whatever the trainer logs to; one without ``log_metrics`` gets no numbers, one
            without a known call for pictures no pictures.
        failures: Where errors of theirs are reported.
        prefix: Stands before every name, with a slash.
    """

    def __init__(self, loggers: Sequence[object], failures: Failures, *, prefix: str) -> None:
        self._loggers = tuple(loggers)
        self._failures = failures
        self._prefix = prefix
        self._waiting: deque[tuple[dict[str, float], int]] = deque()

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Keep numbers until :meth:`deliver`; may be called from any thread."""
        if self._loggers:
            named = {f"{self._prefix}/{name}": value for name, value in values.items()}
            self._waiting.append((named, step))

    def deliver(self) -> None:
        """Hand over what waits."""
        while self._waiting:
            values, step = self._waiting.popleft()
            for logger in self._loggers:
                if isinstance(logger, NumberLogger):
                    with self._failures.contained(f"giving numbers to {type(logger).__name__}"):
                        logger.log_metrics(dict(values), step)

    def picture(self, name: str, pixels: Pixels, step: int) -> None:
        """Hand a picture to every logger that takes pictures."""
        for logger in self._loggers:
            with self._failures.contained(f"giving a picture to {type(logger).__name__}"):
                give = picture_call(logger)
                if give is not None:
                    give(f"{self._prefix}/{name}", pixels, step)

    def page(self, write: Callable[[Path], object], step: int) -> None:
        """Have a page written, if any logger takes files, and hand it to each that does."""
        calls = {}
        for logger in self._loggers:
            with self._failures.contained(f"giving a page to {type(logger).__name__}"):
                if (give := page_call(logger)) is not None:
                    calls[type(logger).__name__] = give
        if not calls:
            return
        with (
            self._failures.contained("writing the page for the loggers"),
            TemporaryDirectory() as folder,
        ):
            path = Path(folder) / f"{self._prefix.replace('/', '_')}_step_{step}.html"
            write(path)
            for name, give in calls.items():
                with self._failures.contained(f"giving a page to {name}"):
                    give(f"{self._prefix}/page", path, step)


def page_call(logger: Any) -> GivePage | None:  # noqa: ANN401  # of any make
    """Return how a logger takes a page; ``None`` where no way is known."""
    own = getattr(logger, "log_page", None)
    if own is not None:
        return own  # type: ignore[no-any-return]  # of a logger of ours
    experiment = getattr(logger, "experiment", None)
    artifact = getattr(experiment, "log_artifact", None)
    if hasattr(logger, "run_id") and artifact is not None:  # MLflow's client
        return lambda tag, path, _: artifact(logger.run_id, str(path), tag.partition("/")[0])
    asset = getattr(experiment, "log_asset", None)
    if asset is not None:  # Comet
        return lambda _, path, step: asset(str(path), file_name=path.name, step=step)
    wandb = sys.modules.get("wandb")
    if wandb is not None and isinstance(experiment, wandb.Run):
        return lambda tag, path, step: logger.log_metrics(
            {tag: wandb.Html(path.read_text("ascii"), inject=False)}, step
        )
    return None


def picture_call(logger: Any) -> GivePicture | None:  # noqa: ANN401  # of any make
    """Return how a logger takes a picture; ``None`` where no way is known.

    In Lightning 2.6 only W&B's logger has a call of its own, ``log_image``; the others have it on
    what they log to, each with other arguments.
    """
    own = getattr(logger, "log_image", None)
    if own is not None:
        return lambda tag, pixels, step: own(tag, [pixels], step=step)
    experiment = getattr(logger, "experiment", None)
    below = getattr(experiment, "log_image", None)
    if below is None:
        return None
    if hasattr(logger, "run_id"):  # MLflow's client, which serves many runs
        return lambda tag, pixels, step: below(
            logger.run_id, pixels, key=tag, step=step, synchronous=True
        )
    return lambda tag, pixels, step: below(pixels, name=tag, step=step)  # Comet
