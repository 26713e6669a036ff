"""GluonTS: estimators with attention, on its endless, shuffled stream of training batches."""

from __future__ import annotations

import lightning.pytorch as pl
import numpy as np
from gluonts.dataset.common import ListDataset
from gluonts.torch.model.patch_tst import PatchTSTEstimator
from gluonts.torch.model.tft import TemporalFusionTransformerEstimator
from torch import nn
from watch import Watch

REQUIREMENTS = ("gluonts[torch]",)
PACKAGES = ("gluonts", "lightning")
LINE = 'TemporalFusionTransformerEstimator(trainer_kwargs={"callbacks": [AttentionMonitor()]})'
HORIZON = 4


def _series(count: int = 6, steps: int = 90) -> list[dict[str, object]]:
    noise = np.random.default_rng(0).normal(size=(count, steps)) / 4
    values = np.sin(np.arange(steps) / 3 + np.arange(count)[:, None]) + noise
    return [{"start": "2020-01-01", "target": row.astype("float32")} for row in values]


def _train(watch: Watch, kind: type, **options: object) -> None:
    estimator = kind(
        prediction_length=HORIZON,
        context_length=12,
        batch_size=8,
        num_batches_per_epoch=8,
        trainer_kwargs={
            "max_epochs": 3,
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "callbacks": watch.callbacks(pl),
        },
        **options,
    )
    data = _series()
    cut = [{**row, "target": row["target"][:-HORIZON]} for row in data]  # type: ignore[index]
    estimator.train(ListDataset(cut, freq="D"), validation_data=ListDataset(data, freq="D"))


def tft(watch: Watch) -> None:
    # The model asks for the mean over its heads, and drops it.
    watch.listens = nn.MultiheadAttention, lambda _m, _i, out: out[1].unsqueeze(1)
    _train(
        watch,
        TemporalFusionTransformerEstimator,
        freq="D",
        num_heads=2,
        hidden_dim=8,
        variable_dim=4,
    )


def patch_tst(watch: Watch) -> None:
    _train(watch, PatchTSTEstimator, patch_len=4, stride=2, d_model=16, nhead=2)


MODELS = {"TemporalFusionTransformer": tft, "PatchTST": patch_tst}
