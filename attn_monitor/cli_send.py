"""Giving an exported page to an experiment tracker: ``export --to wandb|mlflow|trackio``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from attn_monitor.core.errors import ConfigurationError

KEY: Final = "attention"


def send(tracker: str, page: Path, *, name: str, project: str, into: str | None) -> str:
    """Give a page to a tracker, as that one is set up on this machine; return where it is now.

    Args:
        tracker: A key of :data:`TRACKERS`.
        page: The file.
        name: What a new run is called.
        project: Project of W&B and Trackio, experiment of MLflow.
        into: The run to add it to: its id, in Trackio its name; ``None`` for a new one.

    Raises:
        ConfigurationError: The tracker's package is missing, or it did not take the page.
    """
    try:
        package = importlib.import_module(tracker)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"export --to {tracker} needs the package {error.name}: pip install {error.name}"
        ) from error
    try:
        return TRACKERS[tracker](package, page, name, project, into)
    except Exception as error:  # whatever its network, its login and its versions have against it
        raise ConfigurationError(
            f"{tracker} did not take the page: {type(error).__name__}: {error}"
        ) from error


def _to_wandb(wandb: Any, page: Path, name: str, project: str, into: str | None) -> str:  # noqa: ANN401
    run = wandb.init(project=project, name=name, id=into, resume="allow" if into else None)
    try:
        with page.open(encoding="ascii") as file:
            run.log({KEY: wandb.Html(file, inject=False)})
        return f"W&B, project {project}, run {run.id}"
    finally:
        run.finish()


def _to_mlflow(mlflow: Any, page: Path, name: str, project: str, into: str | None) -> str:  # noqa: ANN401
    if into is None:
        mlflow.set_experiment(project)
    with mlflow.start_run(run_id=into, run_name=None if into else name) as run:
        mlflow.log_artifact(str(page), KEY)
    return f"MLflow, run {run.info.run_id}, artifact {KEY}/{page.name}"


def _to_trackio(trackio: Any, page: Path, name: str, project: str, into: str | None) -> str:  # noqa: ANN401
    trackio.init(project=project, name=into or name, resume="must" if into else "never")
    try:
        trackio.log({KEY: trackio.Html(page.read_text("ascii"), inject=False)})
    finally:
        trackio.finish()
    return f"Trackio, project {project}, run {into or name}"


TRACKERS: Final[dict[str, Callable[[Any, Path, str, str, str | None], str]]] = {
    "wandb": _to_wandb,
    "mlflow": _to_mlflow,
    "trackio": _to_trackio,
}
