"""RecTools: SASRec and BERT4Rec on made-up purchases, the last of each user for validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytorch_lightning as pl
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, SASRecModel
from watch import Watch

REQUIREMENTS = ("rectools[torch]",)
PACKAGES = ("rectools", "pytorch-lightning")
LINE = "SASRecModel(get_trainer_func=lambda: Trainer(callbacks=[AttentionMonitor()], ...))"


def _purchases(users: int = 40, items: int = 25) -> Dataset:
    draw = np.random.default_rng(0)
    rows = [
        (user, f"item {(start + step * stride) % items}", 1, pd.Timestamp(2024, 1, 1 + step))
        for user in range(users)
        for start, stride in [draw.integers(1, items, 2)]
        for step in range(int(draw.integers(5, 14)))
    ]
    names = [Columns.User, Columns.Item, Columns.Weight, Columns.Datetime]
    return Dataset.construct(pd.DataFrame(rows, columns=names))


def _last_of_each(interactions: pd.DataFrame) -> np.ndarray:
    late = interactions.groupby(Columns.User)[Columns.Datetime].rank(ascending=False)
    return (late == 1).to_numpy()


def _train(watch: Watch, kind: type, **options: object) -> None:
    def trainer() -> pl.Trainer:
        return pl.Trainer(
            max_epochs=3,
            accelerator="cpu",
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=watch.callbacks(pl),
        )

    model = kind(
        n_blocks=2,
        n_heads=2,
        n_factors=16,
        session_max_len=10,
        batch_size=16,
        get_val_mask_func=_last_of_each,
        get_trainer_func=trainer,
        **options,
    )
    model.fit(_purchases())


def sasrec(watch: Watch) -> None:
    _train(watch, SASRecModel)


def bert4rec(watch: Watch) -> None:
    _train(watch, BERT4RecModel, mask_prob=0.3)


MODELS = {"SASRec": sasrec, "BERT4Rec": bert4rec}
