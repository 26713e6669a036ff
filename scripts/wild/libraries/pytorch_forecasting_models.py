"""pytorch-forecasting: the Temporal Fusion Transformer, with the attention that it interprets."""

from __future__ import annotations

import lightning.pytorch as pl
import numpy as np
import pandas as pd
from pytorch_forecasting import TemporalFusionTransformer, TimeSeriesDataSet
from pytorch_forecasting.models.temporal_fusion_transformer.sub_modules import (
    InterpretableMultiHeadAttention,
)
from watch import Watch

REQUIREMENTS = ("pytorch-forecasting",)
PACKAGES = ("pytorch-forecasting", "lightning")
TRAINED = 50  # of 60 days
LINE = "lightning.pytorch.Trainer(callbacks=[AttentionMonitor()])"


def tft(watch: Watch) -> None:
    steps, series = 60, "abc"
    noise = np.random.default_rng(0).normal(size=(len(series), steps)) / 4
    values = np.sin(np.arange(steps) / 3) + noise
    frame = pd.DataFrame(
        {
            "t": np.tile(np.arange(steps), len(series)),
            "series": np.repeat(list(series), steps),
            "value": values.reshape(-1).astype("float32"),
        }
    )
    known = {"max_encoder_length": 12, "min_encoder_length": 6, "max_prediction_length": 4}
    training = TimeSeriesDataSet(
        frame[frame.t < TRAINED],
        time_idx="t",
        target="value",
        group_ids=["series"],
        time_varying_unknown_reals=["value"],
        time_varying_known_reals=["t"],
        **known,
    )
    validation = TimeSeriesDataSet.from_dataset(training, frame, min_prediction_idx=TRAINED)
    model = TemporalFusionTransformer.from_dataset(
        training, hidden_size=8, attention_head_size=2, hidden_continuous_size=4, dropout=0.1
    )
    watch.listens = InterpretableMultiHeadAttention, lambda _m, _i, out: out[1].transpose(1, 2)
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        gradient_clip_val=0.1,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=watch.callbacks(pl),
    )
    trainer.fit(
        model,
        training.to_dataloader(train=True, batch_size=16),
        validation.to_dataloader(train=False, batch_size=16),
    )


MODELS = {"TemporalFusionTransformer": tft}
