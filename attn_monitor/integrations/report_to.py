"""What a ``transformers.Trainer`` reports to, as loggers that take numbers and pictures."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from transformers import TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    TensorBoardCallback,
)


class Reported:
    """One of the Trainer's reporting callbacks, seen as a logger.

    Numbers go through its own ``on_log``, which is what ``Trainer.log`` does, less the log history:
    that is saved with every checkpoint, and is the Trainer's. Made in the thread that trains, since
    MLflow and Trackio keep their active run per thread or context.
    """

    def __init__(
        self, callback: Any, args: TrainingArguments, state: TrainerState, model: object
    ) -> None:
        self._callback, self._args, self._state, self._model = callback, args, state, model
        give, page = _calls_of(type(callback).__name__)
        if give is not None:
            self.log_image, self.log_page = give, page

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Report numbers as of a step."""
        state = copy.copy(self._state)
        state.global_step = step
        self._callback.on_log(
            self._args, state, TrainerControl(), logs=dict(metrics), model=self._model
        )


def reported_to(
    callbacks: list[Any], args: TrainingArguments, state: TrainerState, model: object
) -> list[Reported]:
    """Return the Trainer's reporting callbacks as loggers, TensorBoard's left out."""
    known = tuple(set(INTEGRATION_TO_CALLBACK.values()) - {TensorBoardCallback})
    return [Reported(c, args, state, model) for c in callbacks if isinstance(c, known)]


def _calls_of(callback: str) -> tuple[Any, Any]:
    """Return the calls that take pictures, and pages, in what a callback reports to, if known."""
    if callback == "WandbCallback" and (run := getattr(_loaded("wandb"), "run", None)):
        image = _loaded("wandb").Image

        def to_wandb(
            key: str, images: list[UInt8[np.ndarray, "row column 3"]], *, step: int
        ) -> None:
            run.log({key: [image(pixels) for pixels in images], "train/global_step": step})

        def page_to_wandb(key: str, path: Path, step: int) -> None:
            page = _loaded("wandb").Html(path.read_text("ascii"), inject=False)
            run.log({key: page, "train/global_step": step})

        return to_wandb, page_to_wandb
    if callback == "TrackioCallback" and (trackio := _loaded("trackio")):
        current = trackio.context_vars.current_run.get()

        def to_trackio(
            key: str, images: list[UInt8[np.ndarray, "row column 3"]], *, step: int
        ) -> None:
            current.log({key: trackio.Image(images[0]), "train/global_step": step})

        def page_to_trackio(key: str, path: Path, step: int) -> None:
            page = trackio.Html(path.read_text("ascii"), inject=False)
            current.log({key: page, "train/global_step": step})

        return (to_trackio, page_to_trackio) if current is not None else (None, None)
    if callback == "MLflowCallback" and (mlflow := _loaded("mlflow")):
        active, client = mlflow.active_run(), mlflow.MlflowClient()

        def to_mlflow(
            key: str, images: list[UInt8[np.ndarray, "row column 3"]], *, step: int
        ) -> None:
            client.log_image(active.info.run_id, images[0], key=key, step=step, synchronous=True)

        def page_to_mlflow(key: str, path: Path, step: int) -> None:  # noqa: ARG001
            client.log_artifact(active.info.run_id, str(path), key.partition("/")[0])

        return (to_mlflow, page_to_mlflow) if active is not None else (None, None)
    return None, None


def _loaded(name: str) -> Any:
    return sys.modules.get(name)
